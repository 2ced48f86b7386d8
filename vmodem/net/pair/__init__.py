"""A call between two vmodems as one stream over connections that may come and go."""
