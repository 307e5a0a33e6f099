//! The fencing devices of the tests: an `external/` plugin of cluster-glue and a `fence_` agent, both for the power
//! switch of the laboratory.

use crate::Result;
use heartline_lab::{Host, PowerSwitch};

/// `stonith_host * external/lab hostlist=ha1,ha2`.
const PLUGIN: &str = "/usr/lib/stonith/plugins/external/lab";
/// `stonith_host * fence_lab`.
const AGENT: &str = "/usr/sbin/fence_lab";

/// A plugin that is in its own trouble while there is a file.
const PLUGIN_TEXT: &str = r#"#!/bin/sh
[ -e /var/lib/svc/plugin-fails ] && exit 1
case $1 in
    getconfignames) echo hostlist ;;
    gethosts) echo "$hostlist" | tr , '\n' ;;
    status) exec heartline-lab lab-power monitor ;;
    reset | off | on) exec heartline-lab lab-power "$1" "$2" ;;
    getinfo-devid | getinfo-devname) echo "the laboratory's power switch" ;;
    getinfo-xml) echo '<parameters><parameter name="hostlist" required="1"><content type="string"/></parameter></parameters>' ;;
    *) exit 1 ;;
esac
"#;

const AGENT_TEXT: &str = r#"#!/bin/sh
while read -r line; do
    case $line in
        action=*) action=${line#*=} ;;
        plug=*) plug=${line#*=} ;;
    esac
done
case $action in
    off | on | status | monitor) exec heartline-lab lab-power "$action" $plug ;;
    reboot) exec heartline-lab lab-power reset "$plug" ;;
    *) exit 1 ;;
esac
"#;

/// Cables a host that is down to the power switch, and installs both programs on its own disk.
pub(crate) fn install(switch: &PowerSwitch, host: &mut Host) -> Result<()> {
    switch.connect(host)?;
    host.write(PLUGIN, PLUGIN_TEXT, 0o755)?;
    host.write(AGENT, AGENT_TEXT, 0o755)?;
    Ok(())
}
