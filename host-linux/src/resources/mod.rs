//! Resource groups on this host: finding agents, running them, limiting their time.
