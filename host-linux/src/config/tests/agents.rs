//! What the agents of the resources say, and what is made of it.

use std::time::Duration;

use super::super::fake_system::{FakeSystem, PGSQL_AGENT};
use super::super::{OperationLimits, Severity, Silence};

const AGENT: &str = "agent `heartbeat:pgsql`";

fn with(resources: &str) -> FakeSystem {
    let mut system = FakeSystem::good();
    system.write("haresources", &format!("cfa {resources}\n"));
    system
}

/// All that the agents say, with what is said of the whole files left out.
fn said(system: &FakeSystem) -> Vec<String> {
    let [errors, warnings] = [Severity::Error, Severity::Warning].map(|level| system.advised_at_load(level));
    [errors, warnings].concat()
}

#[test]
fn a_call_as_the_agent_wants_it_needs_no_word() {
    let system = with("ocf:heartbeat:pgsql::pgdata=/data::pgport=5433::trace_ra=1");
    assert_eq!(said(&system), [""; 0]);
}

#[test]
fn parameters_are_judged_where_they_stand() {
    let table = [
        (
            "pgdata=/d::pgprot=1",
            format!("1:37: warning: {AGENT} has no parameter `pgprot` (did you mean `pgport`?)"),
        ),
        (
            "pgdata=/d::turbo=1",
            format!(
                "1:37: warning: {AGENT} has no parameter `turbo` (its parameters are: pgdata, pgport, config)"
            ),
        ),
        ("pgdata=/d::pgport=http", "1:37: warning: bad value `http` for `pgport`".to_owned()),
        ("pgdata=/d::pgdata=/e", "1:37: warning: `pgdata` is given twice".to_owned()),
        ("pgport=1", format!("1:5: error: {AGENT} needs the parameter `pgdata` (add `::pgdata=VALUE`)")),
    ];
    for (parameters, expected) in table {
        let said = said(&with(&format!("ocf:heartbeat:pgsql::{parameters}")));
        assert!(said.len() == 1 && said[0].contains(&format!("haresources:{expected}")), "{said:#?}");
    }
}

#[test]
fn a_parameter_in_a_continued_word_is_looked_for_in_the_first_line() {
    let said = said(&with("ocf:heartbeat:pgsql::pgdata=/d::\\\npgprot=1"));
    assert!(said.len() == 1 && said[0].contains("haresources:1:5: warning"), "{said:#?}");
}

#[test]
fn an_agent_without_sensible_metadata_is_named_and_used() {
    for (answer, why) in [
        (Err(Silence::TookTooLong), "did not answer in time"),
        (Ok(b"usage".to_vec()), "no XML"),
        (Ok(b"<resource-agent/>".to_vec()), "has no `monitor`"),
    ] {
        let mut system = with("ocf:heartbeat:pgsql");
        system.answer(PGSQL_AGENT, "meta-data", answer);
        let said = said(&system);
        assert!(said.len() == 1 && said[0].contains("warning") && said[0].contains(why), "{said:#?}");
        assert!(system.load().configuration.is_some());
    }
}

#[test]
fn the_agents_own_time_limits_count_where_they_are_longer_and_nobody_wrote_others() {
    let seconds = Duration::from_secs;
    let pgsql = |ha_cf: &str| {
        let mut system = with("apache ocf:heartbeat:pgsql::pgdata=/data");
        system.edit_ha_cf("", ha_cf);
        let configuration = system.load().configuration.unwrap();
        assert_eq!(configuration.groups[0].resources[0].limits, None);
        (configuration.groups[0].resources[1].limits, system.advised_at_load(Severity::Info))
    };
    let asked = OperationLimits { start: seconds(240), stop: seconds(120), status: seconds(45) };
    assert_eq!(pgsql(""), (Some(asked), vec![]));
    let (limits, said) = pgsql("start_timeout 60");
    assert_eq!(limits, Some(OperationLimits { start: seconds(60), ..asked }));
    assert!(
        said.len() == 1 && said[0].contains("asks for 240 s, and start_timeout allows 60 s"),
        "{said:#?}"
    );
    let (limits, said) = pgsql("start_timeout 300\nstop_timeout 90\nstatus_timeout 50");
    assert_eq!((limits, said.len()), (None, 0));
}

#[test]
fn what_systemd_starts_too_is_named() {
    for (word, unit) in [("systemd:nginx", "nginx"), ("apache", "apache"), ("lsb:apache", "apache")] {
        for (state, expected) in [
            ("enabled", Some(format!("warning: systemd starts `{unit}` at boot"))),
            ("masked", Some(format!("error: unit `{unit}` is masked"))),
            ("disabled", None),
            ("static", None),
            ("", None),
        ] {
            let mut system = with(word);
            let question = format!("is-enabled {unit}.service");
            system.answer("/usr/bin/systemctl", &question, Ok(format!("{state}\n").into()));
            let said = said(&system);
            assert_eq!(said.len(), usize::from(expected.is_some()), "{word} {state}: {said:#?}");
            assert!(expected.is_none_or(|expected| said[0].contains(&expected)), "{said:#?}");
        }
    }
    // Its own script of that name has nothing to do with the unit.
    let mut system = with("apache");
    system.put("/etc/ha.d/resource.d/apache", "", super::super::system::FileKind::Regular, 0o755);
    system.answer("/usr/bin/systemctl", "is-enabled apache.service", Ok("enabled\n".into()));
    assert_eq!(said(&system), [""; 0]);
}

#[test]
fn an_agent_that_is_not_there_keeps_no_daemon_from_starting() {
    let system = with("ocf:heartbeat:nosuch");
    assert!(system.load().configuration.is_some());
    let said = said(&system);
    assert!(said.len() == 1 && said[0].contains("error: there is no OCF agent"), "{said:#?}");
    assert_eq!(system.advised(Severity::Error), said);
}
