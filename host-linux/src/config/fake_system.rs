//! A machine made of values, for tests: two nodes' first one, with the files of a good configuration.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::system::{Account, FileInfo, FileKind, Interface, System};
use super::{Answer, Diagnostic, Loaded, Question, Severity, check, load};

pub(super) const DIRECTORY: &str = "/etc/ha.d";

pub(super) const HA_CF: &str = "\
logfile /var/log/ha-log
keepalive 1
deadtime 10
initdead 20
udpport 694
bcast eth0
auto_failback on
node cfa cfb
";

pub(super) const AUTHKEYS: &str = "auth 1\n1 sha1 a_secret_of_good_length\n";

pub(super) struct FakeSystem {
    pub(super) files: BTreeMap<PathBuf, (Vec<u8>, FileInfo)>,
    pub(super) interfaces: Vec<Interface>,
    /// What programs say, by their path and their arguments.
    pub(super) answers: BTreeMap<(PathBuf, String), Answer>,
    pub(super) holders: BTreeMap<PathBuf, (u32, String)>,
}

/// What the agent `pgsql` of this machine says of itself.
const PGSQL: &str = r#"<?xml version="1.0"?>
<resource-agent name="pgsql"><parameters>
<parameter name="pgdata" required="1"><content type="string"/></parameter>
<parameter name="pgport" required="0"><content type="integer"/></parameter>
<parameter name="config"><content type="string"/></parameter>
</parameters><actions>
<action name="start" timeout="240s"/><action name="stop" timeout="60s"/><action name="monitor" timeout="45s"/>
</actions></resource-agent>"#;

pub(super) const PGSQL_AGENT: &str = "/usr/lib/ocf/resource.d/heartbeat/pgsql";

impl FakeSystem {
    /// A machine on which all is well.
    pub(super) fn good() -> Self {
        let mut system = Self {
            files: BTreeMap::new(),
            answers: BTreeMap::new(),
            holders: BTreeMap::new(),
            interfaces: vec![
                interface("lo", &["127.0.0.1"], None),
                interface("eth0", &["10.0.0.1", "fe80::1"], Some([10, 0, 0, 255])),
                interface("eth1", &["10.0.1.1"], Some([10, 0, 1, 255])),
                interface("tun0", &["10.0.2.1"], None),
            ],
        };
        system.write("ha.cf", HA_CF);
        system.write("authkeys", AUTHKEYS);
        system.write("haresources", "cfa 10.0.0.9/24/eth0 apache\n");
        for device in ["/dev/ttyS0", "/dev/ttyS1"] {
            system.put(device, "", FileKind::CharacterDevice, 0o660);
        }
        for program in ["/bin/true", "/etc/init.d/apache", "/usr/bin/systemctl", PGSQL_AGENT] {
            system.put(program, "", FileKind::Regular, 0o755);
        }
        system.put("/etc/services", "domain 53/udp # names\nhttp 80/tcp\n", FileKind::Regular, 0o644);
        system.put("/etc/passwd", "root:x:0:0:\n", FileKind::Regular, 0o644);
        system.put("/proc/consoles", "ttyS1  -W- (EC p a)    4:65\n", FileKind::Regular, 0o444);
        system.put("/var/log", "", FileKind::Directory, 0o755);
        system.put("/usr/lib/systemd/system/nginx.service", "", FileKind::Regular, 0o644);
        system.put("/usr/lib/systemd/system/web@.service", "", FileKind::Regular, 0o644);
        system.answer(PGSQL_AGENT, "meta-data", Ok(PGSQL.into()));
        for unit in ["nginx.service", "web@1.service", "apache.service"] {
            system.answer("/usr/bin/systemctl", &format!("is-enabled {unit}"), Ok("disabled\n".into()));
        }
        system
    }

    /// Has a program say something when it is called with these arguments.
    pub(super) fn answer(&mut self, program: &str, arguments: &str, answer: Answer) {
        self.answers.insert((program.into(), arguments.to_owned()), answer);
    }

    pub(super) fn put(&mut self, path: &str, contents: &str, kind: FileKind, mode: u32) {
        let info = FileInfo { kind, owner: 0, mode };
        self.files.insert(PathBuf::from(path), (contents.as_bytes().to_vec(), info));
    }

    /// Writes one of the configuration files.
    pub(super) fn write(&mut self, name: &str, contents: &str) {
        self.put(&format!("{DIRECTORY}/{name}"), contents, FileKind::Regular, 0o600);
    }

    /// Replaces the lines of ha.cf that begin with `old` (none if empty) by `new` at the end.
    pub(super) fn edit_ha_cf(&mut self, old: &str, new: &str) {
        let kept = HA_CF.lines().filter(|line| old.is_empty() || !line.starts_with(old));
        let text: String = kept.chain([new]).map(|line| format!("{line}\n")).collect();
        self.write("ha.cf", &text);
    }

    pub(super) fn file_mut(&mut self, name: &str) -> &mut (Vec<u8>, FileInfo) {
        self.files.get_mut(&Path::new(DIRECTORY).join(name)).unwrap()
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.files.remove(&Path::new(DIRECTORY).join(name));
    }

    pub(super) fn load(&self) -> Loaded {
        load(Path::new(DIRECTORY), self)
    }

    /// What is found at this level by `load`, as log lines without the directory.
    pub(super) fn found(&self, severity: Severity) -> Vec<String> {
        lines(&self.load().diagnostics, severity)
    }

    /// What the agents say at this level when the files are loaded.
    pub(super) fn advised_at_load(&self, severity: Severity) -> Vec<String> {
        lines(&self.load().advice, severity)
    }

    /// What is found at this level by `check`, as log lines without the directory.
    pub(super) fn advised(&self, severity: Severity) -> Vec<String> {
        lines(&check(Path::new(DIRECTORY), self), severity)
    }
}

fn lines(diagnostics: &[Diagnostic], severity: Severity) -> Vec<String> {
    let wanted = diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity);
    wanted.map(|it| it.one_line().replace(&format!("{DIRECTORY}/"), "")).collect()
}

fn interface(name: &str, addresses: &[&str], broadcast: Option<[u8; 4]>) -> Interface {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Interface { name: name.to_owned(), addresses, broadcast: broadcast.map(Into::into) }
}

fn nothing<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::NotFound, "No such file or directory"))
}

impl System for FakeSystem {
    fn host_name(&self) -> io::Result<String> {
        Ok("cfa".to_owned())
    }

    fn read_file(&self, path: &Path) -> io::Result<(Vec<u8>, FileInfo)> {
        self.files.get(path).cloned().map_or_else(nothing, Ok)
    }

    fn file_info(&self, path: &Path) -> io::Result<FileInfo> {
        self.files.get(path).map_or_else(nothing, |(_, info)| Ok(*info))
    }

    fn effective_user(&self) -> u32 {
        1000
    }

    fn account(&self, user: &str) -> Option<Account> {
        ["root", "0"].contains(&user).then_some(Account { uid: 0, gid: 0 })
    }

    fn group_exists(&self, group: &str) -> bool {
        ["root", "0"].contains(&group)
    }

    fn names_in(&self, directory: &Path) -> io::Result<Vec<String>> {
        let names = self.files.keys().filter(|path| path.parent() == Some(directory));
        Ok(names.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn interfaces(&self) -> io::Result<Vec<Interface>> {
        Ok(self.interfaces.clone())
    }

    fn ask(&self, questions: &[Question]) -> Vec<Answer> {
        let answer = |question: &Question| {
            let key = (question.program.clone(), question.arguments.join(" "));
            self.answers.get(&key).cloned().unwrap_or(Ok(Vec::new()))
        };
        questions.iter().map(answer).collect()
    }

    fn holder(&self, path: &Path) -> Option<(u32, String)> {
        self.holders.get(path).cloned()
    }

    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        match host {
            "peer" => Ok(vec![IpAddr::from([10, 0, 0, 2])]),
            address => address.parse().map_or_else(|_| nothing(), |address| Ok(vec![address])),
        }
    }
}
