//! `witness`, `witness_watchdog`, `quorum witness` and `stonith_host HOST dongle NAME`.

use std::path::PathBuf;
use std::time::Duration;

use super::super::fake_system::FakeSystem;
use super::super::{Configuration, FenceDevice, FenceParameters, Medium, Quorum, Severity, Witness};

fn system(lines: &str) -> FakeSystem {
    let mut system = FakeSystem::good();
    system.edit_ha_cf("", lines);
    system
}

fn with(lines: &str) -> Configuration {
    let loaded = system(lines).load();
    loaded.configuration.unwrap_or_else(|| panic!("{lines}: {:?}", loaded.diagnostics))
}

const WITNESS: &str = "witness Dongle serial /dev/ttyS0";

#[test]
fn the_witness_opens_its_serial_link() {
    let configuration = with(&format!("baud 38400\n{WITNESS}"));
    let device = PathBuf::from("/dev/ttyS0");
    assert_eq!(configuration.witness, Some(Witness { name: "dongle".to_owned(), device: device.clone() }));
    assert_eq!(configuration.media.last(), Some(&Medium::Serial { device, baud: 38_400 }));
    assert_eq!(configuration.nodes, ["cfa", "cfb"], "it is no node");
    assert_eq!(configuration.members().collect::<Vec<_>>(), ["cfa", "cfb", "dongle"]);
}

#[test]
fn a_serial_line_for_the_same_device_says_nothing_more() {
    for lines in [format!("{WITNESS}\nserial /dev/ttyS0"), format!("serial /dev/ttyS0\n{WITNESS}")] {
        assert_eq!(with(&lines).media.len(), 2, "{lines}");
        assert_eq!(system(&lines).found(Severity::Warning), [""; 0], "{lines}");
    }
    assert_eq!(with(&format!("{WITNESS}\nserial /dev/ttyS1")).media.len(), 3);
}

#[test]
fn what_the_witness_is_for_is_read() {
    let lines = format!(
        "stonith_host * dongle DONGLE\n{WITNESS}\nquorum witness\nwitness_watchdog 15\nstonith_host cfa null cfb"
    );
    let configuration = with(&lines);
    assert_eq!(configuration.quorum, Quorum::Witness);
    assert_eq!(configuration.witness_watchdog, Some(Duration::from_secs(15)));
    let kinds: Vec<&str> = configuration.fencing.iter().map(|device| device.kind.as_str()).collect();
    assert_eq!(kinds, ["dongle", "null"]);
    let parameters = FenceParameters::Witness("dongle".to_owned());
    assert_eq!(configuration.fencing[0], FenceDevice { kind: "dongle".to_owned(), parameters });
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    let table = [
        (
            "witness dongle",
            "ha.cf:9:9: error: a witness is given by its name and its serial device (write `witness NAME serial DEVICE`)",
        ),
        (
            "witness dongle bcast eth0",
            "ha.cf:9:16: error: a witness is not reached over `bcast` (write `witness NAME serial DEVICE`)",
        ),
        (
            "witness dongle serial /dev/ttyS0 9600",
            "ha.cf:9:34: error: `9600` means nothing here (write `witness NAME serial DEVICE`)",
        ),
        (
            "witness dongle serial ttyS0",
            "ha.cf:9:23: error: serial port `ttyS0` is not a full path (write `/dev/ttyS0`)",
        ),
        (
            "witness dong!e serial /dev/ttyS0",
            "ha.cf:9:9: error: bad node name `dong!e` (use the host's name (`uname -n`): letters, digits, `.`, `-`, `_`)",
        ),
        (
            "witness dongle serial /dev/ttyS0\nwitness other serial /dev/ttyS1",
            "ha.cf:10:9: error: witness `dongle` is given already in line 9 (keep one of the two lines: a cluster has \
             one witness)",
        ),
        (
            "witness CFB serial /dev/ttyS0",
            "ha.cf:9:9: error: `cfb` cannot be a node and the witness (take it out of the `node` lines, or give the \
             witness a name of its own)",
        ),
        (
            "witness dongle serial /dev/ttyS0\nnode cfc",
            "ha.cf:9:9: error: a witness in a null-modem cable is for two nodes, and there are 3 (remove the line, and \
             write `quorum majority` and configure fencing)",
        ),
        (
            "quorum witness",
            "ha.cf:9:8: error: `quorum witness` needs a witness, and there is none (add `witness NAME serial DEVICE`, or \
             write `quorum off`)",
        ),
        (
            "witness_watchdog 20",
            "ha.cf:9:18: error: there is no witness that could be a watchdog (add `witness NAME serial DEVICE`)",
        ),
        (
            "witness dongle serial /dev/ttyS0\nwitness_watchdog 9",
            "ha.cf:10:18: error: the witness would reset this host after a silence of 9 s, before it is dead (10 s) \
             (make witness_watchdog at least deadtime)",
        ),
        (
            "witness dongle serial /dev/ttyS0\nwitness_watchdog 3601",
            "ha.cf:10:18: error: a witness waits 3600 s at most before it resets a host (make witness_watchdog about as \
             long as deadtime)",
        ),
        (
            "witness dongle serial /dev/ttyS0\nwitness_watchdog soon",
            "ha.cf:10:18: error: `soon` is not a time of at most a day (write",
        ),
        (
            "stonith_host * dongle dongle",
            "ha.cf:9:23: error: there is no witness `dongle` (add `witness NAME serial DEVICE`)",
        ),
        (
            "witness dongle serial /dev/ttyS0\nstonith_host * dongle other",
            "ha.cf:10:23: error: there is no witness `other` (write `dongle`)",
        ),
        (
            "witness dongle serial /dev/ttyS0\nstonith_host * dongle dongle cfb",
            "ha.cf:10:30: error: `cfb` means nothing to a witness (write `stonith_host HOST dongle NAME`)",
        ),
        (
            "stonith dongle /etc/dongle",
            "ha.cf:9:9: error: a witness needs no parameter file (write `stonith_host * dongle NAME`)",
        ),
    ];
    for (lines, expected) in table {
        let errors = system(lines).found(Severity::Error);
        assert!(errors.len() == 1 && errors[0].starts_with(expected), "{lines}:\n{errors:#?}\n{expected}");
    }
}

/// Two names with one identity on the wire are rare, but they exist.
#[test]
fn a_name_that_looks_like_a_nodes_on_the_wire_is_refused() {
    use heartline_core::ids::NodeId;
    let same = (0..).map(|number| format!("w{number}")).find(|name| NodeId::of(name) == NodeId::of("cfb"));
    let name = same.unwrap();
    let errors = system(&format!("witness {name} serial /dev/ttyS0")).found(Severity::Error);
    assert!(errors.len() == 1 && errors[0].contains("have the same 16-bit identity"), "{errors:?}");
}

#[test]
fn check_says_what_is_missing_or_does_not_fit() {
    for (lines, expected) in [
        (WITNESS.to_owned(), "the witness only bridges"),
        (format!("{WITNESS}\nwitness_watchdog 10"), "although the witness has not voted for it"),
        (format!("{WITNESS}\nquorum witness"), "nothing makes sure that they ended with it"),
        (
            format!("{WITNESS}\nkeepalive 200ms"),
            "heartbeats of the other node and the witness, 206 bytes, every 200 ms do not fit twice into 19200 baud",
        ),
    ] {
        let advice = system(&lines).advised(Severity::Warning);
        assert!(advice.iter().any(|it| it.contains(expected)), "{lines}: {advice:#?}");
    }
    let lines = format!("{WITNESS}\nquorum witness\nwitness_watchdog 10\nstonith_host * dongle dongle");
    let advice = system(&lines).advised(Severity::Warning);
    assert!(advice.iter().all(|it| it.starts_with("haresources")), "{advice:#?}");
    let mut system = system(WITNESS);
    let keys: String =
        (1..=5).map(|number| format!("{number} sha1 a_secret_of_good_length{number}\n")).collect();
    system.write("authkeys", &format!("auth 1\n{keys}"));
    let advice = system.advised(Severity::Warning);
    assert!(advice.iter().any(|it| it.contains("a witness has room for 4")), "{advice:#?}");
}
