"""What is HTTP and not VO: responses, file responses, admission, access log, errors, URLs, DALI parameters, uploads."""
