"""Who may be dialled and who may call: rules, limits and passwords."""
