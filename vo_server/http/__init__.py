"""HTTP apart from the protocols: responses, files, admission, access log, errors, URLs, DALI parameters, uploads."""
