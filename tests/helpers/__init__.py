"""What tests share: nothing here is a test, nothing here is shipped."""
