"""Who may do what: ACL roles, secrets from files, signatures of bundles, audits of what is installed."""
