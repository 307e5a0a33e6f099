//! What a host really has: processes, addresses, as its kernel tells it. Nothing here asks the daemon.

use crate::error::Error;
use heartline_lab::Host;
use nix::unistd::Pid;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a host has an address. A host that is down has none.
pub(crate) fn has_address(host: &Host, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => host
            .read("/proc/1/net/fib_trie")
            .is_ok_and(|trie| local_addresses(&trie).any(|local| local == address)),
        IpAddr::V6(address) => host
            .read("/proc/1/net/if_inet6")
            .is_ok_and(|table| table.lines().any(|line| address_of_row(line) == Some(address))),
    }
}

/// The numbers of the processes on a host besides process 1, with their command lines.
pub(crate) fn processes(host: &Host) -> Result<Vec<(u32, String)>, Error> {
    let proc = host.path("/proc")?;
    let entries = fs::read_dir(&proc).map_err(Error::io(format!("read {}", proc.display())))?;
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let pids = entries.flatten().filter_map(number).filter(|&pid| pid != 1);
    Ok(pids.map(|pid| (pid, command_line(&proc.join(pid.to_string())))).collect())
}

fn command_line(process: &std::path::Path) -> String {
    let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&arguments).replace('\0', " ").trim_end().to_owned()
}

/// The parent of a process of the world.
pub(crate) fn parent(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    parent.trim().parse().ok().map(Pid::from_raw)
}

/// The leaves of the routing table that are this host's own: a line with the address, then one with its kind.
fn local_addresses(trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut leaf = None;
    trie.lines().filter_map(move |line| {
        let line = line.trim_start();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        }
        if line == "/32 host LOCAL" { leaf } else { None }
    })
}

fn address_of_row(row: &str) -> Option<Ipv6Addr> {
    let digits = row.split(' ').next()?;
    u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_told_from_routes() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
                    +-- 10.77.1.0/24 2 0 2\n        |-- 10.77.1.1\n           /32 host LOCAL\n        \
                    |-- 10.77.1.255\n           /32 link BROADCAST\n        |-- 10.77.1.100\n           \
                    /32 host LOCAL\n";
        let all: Vec<_> = local_addresses(trie).collect();
        assert_eq!(all, [Ipv4Addr::new(10, 77, 1, 1), Ipv4Addr::new(10, 77, 1, 100)]);
    }

    #[test]
    fn rows_of_ipv6_addresses_are_read() {
        let row = "fd770000000000000000000000000100 02 40 00 80     eth0";
        assert_eq!(address_of_row(row), "fd77::100".parse().ok());
        assert_eq!(address_of_row(""), None);
    }
}
