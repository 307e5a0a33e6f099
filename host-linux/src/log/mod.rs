//! Renders notices for people: log files, syslog, standard error.
