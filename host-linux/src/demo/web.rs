//! Which web server the cluster keeps alive, and what an administrator puts on a host for it: an init script, as the
//! original's users wrote them, and for apache2 a configuration of its own.

use std::fs;
use std::path::Path;

use heartline_lab::Host;

use super::WebChoice;
use super::error::DemoError;
use super::files::MOUNT_POINT;

/// Where a host has its own pages.
pub(super) const OWN_PAGES: &str = "/var/www";
/// The directory with the pages on the shared disk, below its mount point.
pub(super) const SHARED_PAGES: &str = "html";

const INIT_SCRIPT: &str = "/etc/init.d/httpd";
const CONFIGURATION: &str = "/etc/httpd/conf/httpd.conf";
const APACHE: &str = "/usr/sbin/apache2";
/// The number of Debian's user www-data, which apache2 becomes.
const WWW_DATA: u32 = 33;

/// The web server of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WebServer {
    /// Debian's apache2.
    Apache2,
    /// The lab's.
    BuiltIn {
        /// Why it is not apache2.
        reason: String,
    },
}

impl WebServer {
    /// Finds out which one can run here. An error says what keeps apache2 from it, if that alone is wanted.
    pub(super) fn choose(choice: WebChoice) -> Result<Self, DemoError> {
        if choice == WebChoice::BuiltIn {
            return Ok(Self::BuiltIn { reason: "as asked for".to_owned() });
        }
        match (apache_obstacle(), choice) {
            (None, _) => Ok(Self::Apache2),
            (Some(obstacle), WebChoice::Apache2) => Err(DemoError::NoApache(obstacle)),
            (Some(reason), _) => Ok(Self::BuiltIn { reason }),
        }
    }

    /// One line for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Apache2 => format!("Debian's apache2 ({APACHE})"),
            Self::BuiltIn { reason } => format!("a small built-in one; {reason}"),
        }
    }

    /// Puts all that the web server needs on a host that is down.
    pub(super) fn install(&self, host: &Host) -> Result<(), DemoError> {
        let start = match self {
            Self::Apache2 => {
                host.write(CONFIGURATION, apache_configuration(), 0o644)?;
                format!("mkdir -p /run/httpd && {APACHE} -f {CONFIGURATION} -k start")
            }
            Self::BuiltIn { .. } => built_in_start(host.helper()),
        };
        host.write(INIT_SCRIPT, init_script(&start), 0o755)?;
        host.write(format!("{OWN_PAGES}/hostname.html"), format!("{}\n", host.name()), 0o644)?;
        Ok(())
    }
}

/// What keeps apache2 from running here.
fn apache_obstacle() -> Option<String> {
    if !Path::new(APACHE).exists() {
        return Some("apache2 is not installed (apt-get install apache2)".to_owned());
    }
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    (!maps_user(&map, WWW_DATA))
        .then(|| "apache2 is installed, but cannot become www-data without root".to_owned())
}

/// Whether a process here may become this user.
fn maps_user(map: &str, user: u32) -> bool {
    map.lines().any(|line| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        matches!(numbers[..], [first, _, count] if user >= first && user - first < count)
    })
}

fn init_script(start: &str) -> String {
    format!(
        "#!/bin/sh\n\
         # httpd: start, stop and look after the web server\n\
         PIDFILE=/run/httpd.pid\n\
         \n\
         running() {{\n    \
             [ -s $PIDFILE ] && kill -0 \"$(cat $PIDFILE)\" 2>/dev/null\n\
         }}\n\
         \n\
         case \"$1\" in\n\
         start)\n    \
             running && exit 0\n    \
             {start}\n    \
             ;;\n\
         stop)\n    \
             running || exit 0\n    \
             kill \"$(cat $PIDFILE)\"\n    \
             while running; do sleep 0.01; done\n    \
             rm -f $PIDFILE\n    \
             ;;\n\
         status)\n    \
             if running; then echo \"httpd is running\"; else echo \"httpd is stopped\"; exit 3; fi\n    \
             ;;\n\
         *)\n    \
             echo \"usage: httpd start|stop|status\" >&2\n    \
             exit 2\n    \
             ;;\n\
         esac\n"
    )
}

/// Returns when the server listens or has given up.
fn built_in_start(helper: &Path) -> String {
    format!(
        "setsid {} lab-web {MOUNT_POINT}/{SHARED_PAGES} {OWN_PAGES} 0.0.0.0:80 \
         >/var/log/httpd.log 2>&1 </dev/null &\n    \
         echo $! >$PIDFILE\n    \
         until ss -Htln 'sport = :80' | grep -q .; do running || exit 1; sleep 0.01; done",
        helper.display()
    )
}

fn apache_configuration() -> String {
    let modules = ["mpm_event", "authz_core", "alias", "dir", "mime"];
    let modules: String = modules
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    format!(
        "{modules}\n\
         ServerName {}\n\
         Listen 80\n\
         User www-data\n\
         Group www-data\n\
         PidFile /run/httpd.pid\n\
         DefaultRuntimeDir /run/httpd\n\
         ErrorLog /var/log/httpd.log\n\
         TypesConfig /etc/mime.types\n\
         StartServers 1\n\
         \n\
         # The pages are on the shared disk, but for one that names the host.\n\
         DocumentRoot {MOUNT_POINT}/{SHARED_PAGES}\n\
         DirectoryIndex index.html\n\
         Alias /hostname.html {OWN_PAGES}/hostname.html\n",
        super::files::SERVICE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_users_is_understood() {
        assert!(maps_user("         0          0 4294967295\n", WWW_DATA));
        assert!(!maps_user("         0       1000          1\n", WWW_DATA));
        assert!(maps_user("0 1000 1\n1 100000 65536\n", WWW_DATA));
        assert!(!maps_user("", WWW_DATA));
    }

    #[test]
    fn the_init_script_is_shell_and_tells_that_nothing_runs() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("httpd");
        let pid_file = directory.path().join("pid");
        let text = init_script("exit 7").replace("/run/httpd.pid", &pid_file.display().to_string());
        fs::write(&script, text).unwrap();
        let call = |verb: &str| {
            std::process::Command::new("sh")
                .arg(&script)
                .arg(verb)
                .output()
                .map(|output| (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap()))
        };
        assert_eq!(call("status").unwrap(), (3, "httpd is stopped\n".to_owned()));
        assert_eq!(call("stop").unwrap().0, 0);
        assert_eq!(call("start").unwrap().0, 7);
        assert_eq!(call("reload").unwrap().0, 2);
    }
}
