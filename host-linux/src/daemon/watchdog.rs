//! The watchdog's place in the main loop: fed with a heartbeat if the loop does its work, let go of at an orderly end.

use std::time::Instant;

use heartline_core::ids::LinkIndex;

use super::Daemon;
use crate::clock::{self, Moment};
use crate::log::Level;
use crate::watchdog::Neglect;

impl Daemon {
    /// The core wants the watchdog fed, with a heartbeat that was due. A loop that leaves its work undone does not get to
    /// feed it, so that a host which only looks alive is reset.
    pub(super) fn feed_watchdog(&mut self, now: Instant) {
        if !self.watchdog.is_wanted() {
            return;
        }
        let deadline = self.next_deadline(Moment { instant: now, core: clock::core_now() });
        match self.health.judge(now, deadline, self.media.waiting()) {
            Ok(()) => self.watchdog.feed(),
            Err(neglect) => {
                let what = match neglect {
                    Neglect::Overdue(span) => format!("something is overdue for {} ms", span.as_millis()),
                    Neglect::Unread { link } => {
                        let link = self.names.link(LinkIndex(super::narrow(link)));
                        format!("frames wait on {link} and are not read")
                    }
                };
                self.log.write(Level::Error, &format!("The watchdog is not fed with this heartbeat: {what}"));
            }
        }
    }

    /// The process is about to end in good order. What the others wait for the watchdog to end must not outlive it.
    pub(super) fn let_go_of_watchdog(&mut self) {
        let armed = self.watchdog.armed();
        if self.node.may_disarm_watchdog() {
            self.watchdog.disarm();
        } else if let Some(timeout) = armed {
            let text = format!(
                "Not everything is stopped here: the watchdog stays armed and resets this host within {} s",
                timeout.as_secs()
            );
            self.log.write(Level::Crit, &text);
        }
        self.log_remarks();
    }

    /// What could not be stopped has to end, and the kernel does not reboot this host.
    pub(super) fn leave_reboot_to_watchdog(&mut self) {
        if let Some(timeout) = self.watchdog.starve() {
            let text = format!(
                "The watchdog is not fed any more: it resets this host within {} s",
                timeout.as_secs()
            );
            self.log.write(Level::Crit, &text);
        }
    }
}
