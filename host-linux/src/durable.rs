//! What must survive a crash: the boot generation, the process id.
