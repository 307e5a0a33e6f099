//! What is said of a witness that answers, and of one that refuses. The talk itself is tested with the real firmware, in
//! `tests/cluster`.

use heartline_core::provision;
use heartline_core::witness::Firmware;

use super::*;
use crate::log::render::testing::two_nodes;

fn pair() -> Configuration {
    let witness = Witness { name: "dongle".to_owned(), device: "/dev/ttyS0".into() };
    Configuration { witness: Some(witness), ..two_nodes("ha1") }
}

fn answer(names: Option<[&str; 3]>) -> Answer {
    Answer {
        firmware: Firmware { version: [0, 1, 0], provision: 1_795_405_912 },
        names: names.map(|[own, a, b]| (NodeId::of(own), [NodeId::of(a), NodeId::of(b)])),
        outcome: None,
    }
}

fn wanted() -> Provisioning {
    Provisioning {
        line: Line { device: None },
        reset: "500ms".parse().unwrap(),
        sense: "none".parse().unwrap(),
        old_keys: None,
        yes: false,
    }
}

#[test]
fn a_witness_is_introduced_by_the_names_of_ha_cf() {
    let device = Path::new("/dev/ttyS0");
    let words = introduced(&answer(Some(["dongle", "ha1", "ha2"])), device, &pair());
    let expected = "The witness at /dev/ttyS0 has firmware 0.1.0 and is dongle of ha1 and ha2, since ";
    assert!(words.starts_with(expected), "{words}");
    let words = introduced(&answer(Some(["dongle", "ha1", "old"])), device, &pair());
    assert!(words.contains("and is dongle of ha1 and (unknown, "), "{words}");
    assert!(introduced(&answer(None), device, &pair()).contains("no keys yet"));
}

#[test]
fn the_settings_are_those_of_ha_cf() {
    let (configuration, device) = (pair(), Path::new("/dev/ttyS0"));
    let witness = configuration.witness.clone().unwrap();
    let future = Answer {
        firmware: Firmware { version: [0, 1, 0], provision: u32::MAX - 1 },
        ..answer(Some(["dongle", "ha1", "ha2"]))
    };
    let settings = settings(&wanted(), &configuration, &witness, device, &future).unwrap();
    assert_eq!(settings.count, u32::MAX, "higher than before, whatever the clock says");
    assert_eq!((settings.keepalive.millis(), settings.deadtime.millis()), (200, 1000));
    assert_eq!((settings.baud, settings.witness), (19_200, NodeId::of("dongle")));
    assert_eq!(
        settings.wiring.map(|end| (end.pull.millis(), end.sense)),
        [(500, provision::Sense::NotWired); 2]
    );
    let plan = plan(&future, device, &configuration, &settings, &wanted());
    for words in
        ["It is to be dongle of ", "a heartbeat every 200 ms, and 19200 baud", "Side B: its reset line"]
    {
        assert!(plan.contains(words), "{plan}");
    }
}

#[test]
fn a_key_that_is_no_secret_is_not_given() {
    let key = |method| config::AuthKey { number: 2, method, secret: b"a_secret".to_vec() };
    let with = |method| Configuration { keys: KeyFile { signing: 2, keys: vec![key(method)] }, ..pair() };
    let failure = refuse_open_keys(&with(AuthMethod::Crc)).unwrap_err();
    assert!(failure.stderr.starts_with("Key 2 in authkeys is `crc`"), "{failure:?}");
    assert!(refuse_open_keys(&with(AuthMethod::Sha256)).is_ok());
}

#[test]
fn only_a_yes_is_a_yes() {
    for (line, agreed) in [("y\n", true), ("YES\n", true), ("\n", false), ("no\n", false), ("", false)] {
        assert_eq!(agrees(&mut line.as_bytes()), agreed, "{line:?}");
    }
}

#[test]
fn every_refusal_has_its_remedy() {
    let words = |error| refused(error, Path::new("/dev/ttyS0")).stderr;
    assert!(words(ProvisionError::NotAuthentic).contains("--old-keys FILE"));
    assert!(words(ProvisionError::TooManyKeys).contains("Leave 4 keys"));
    assert!(words(ProvisionError::OldCount).ends_with("try again.\n"));
}
