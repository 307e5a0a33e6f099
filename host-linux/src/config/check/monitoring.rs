//! What is to be said of `monitor` and `monitor_restarts`, and what they come to.

use std::time::Duration;

use super::Advice;
use crate::config::cross_checks::show;
use crate::config::diagnostics::Severity;
use crate::config::monitoring::Monitoring;

/// A monitor that comes more often costs more than it tells.
const MONITOR_ADVISED: Duration = Duration::from_secs(1);

impl Advice<'_> {
    pub(super) fn on_monitoring(&mut self) {
        let configuration = self.configuration();
        let Monitoring { monitors, restarts, window } = configuration.monitoring.clone();
        let status = configuration.limits.status;
        let groups = configuration.groups.clone();
        let idle: Vec<String> = monitors.idle_patterns(&groups).map(str::to_owned).collect();
        for pattern in idle {
            let message = format!("the pattern `{pattern}` of `monitor` fits no resource of haresources");
            let remedy = "write a resource's word or its agent's name, with `*` for anything";
            self.warn_of_directive("monitor", message, remedy);
        }
        let resources = groups.iter().flat_map(|group| &group.resources);
        let intervals: Vec<Duration> =
            resources.clone().filter_map(|resource| monitors.of(resource)).collect();
        let (Some(shortest), Some(longest)) = (intervals.iter().min(), intervals.iter().max()) else {
            if !groups.is_empty() {
                let message = "no resource is monitored: one that ends while it runs is not noticed";
                self.warn_of_directive(
                    "monitor",
                    message,
                    "remove `monitor 0`, or name those that need none",
                );
            }
            return;
        };
        if *shortest < MONITOR_ADVISED {
            let message = format!("`monitor {}` asks resources several times a second", show(*shortest));
            self.warn_of_directive(
                "monitor",
                message,
                "ask once a second at most, for each time is a process",
            );
        }
        if *longest * u32::from(restarts) >= window {
            let message = format!(
                "{restarts} restarts in {} never come together where a resource is asked every {}: one that fails \
                 again and again never moves",
                show(window),
                show(*longest)
            );
            self.warn_of_directive(
                "monitor_restarts",
                message,
                "make the time longer, or the restarts fewer",
            );
        }
        let every = if shortest == longest {
            show(*longest)
        } else {
            format!("{} to {}", show(*shortest), show(*longest))
        };
        let message = format!(
            "running resources are asked for their status every {every}; one that ended is noticed within {}, one that \
             hangs within {}; then its group is restarted in place, {restarts} times in {}, then it moves",
            show(*longest),
            show(*longest + status),
            show(window)
        );
        self.diagnostics.about_file(Severity::Info, &self.whole.ha_cf.path, message, "see `monitor`");
    }
}
