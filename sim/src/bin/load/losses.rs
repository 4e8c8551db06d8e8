//! Where packets are lost between a client and the host behind the server: everything on the way that counts them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// Counters by what they are called.
type Counters = BTreeMap<String, u64>;

/// What was lost so far, and where.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Losses(Counters);

impl Losses {
    /// What the two network namespaces have counted, the kernel's queue before both, and the server.
    pub(crate) fn so_far(server_pid: Option<u32>, server: Option<&str>) -> Self {
        let mut all = Counters::new();
        let mut add = |place: &str, counters: Counters| {
            all.extend(counters.into_iter().map(|(name, count)| (format!("{place}.{name}"), count)));
        };
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        add("clients", udp(&read("/proc/self/net/snmp")));
        add("clients", devices(&read("/proc/self/net/dev")));
        // For each processor, of all namespaces together.
        add("kernel", backlog(&read("/proc/net/softnet_stat")));
        if let Some(pid) = server_pid {
            add("server_host", udp(&read(&format!("/proc/{pid}/net/snmp"))));
            add("server_host", devices(&read(&format!("/proc/{pid}/net/dev"))));
        }
        if let Some(server) = server {
            add("server", dropped(&asked(server, "show status fastpath")));
        }
        Self(all)
    }

    /// What was lost between two moments, where anything was.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let counted = |name: &String| before.0.get(name).copied().unwrap_or_default();
        let lost = self.0.iter().map(|(name, count)| (name.clone(), count.saturating_sub(counted(name))));
        Self(lost.filter(|(_, count)| *count > 0).collect())
    }

    pub(crate) fn json(&self) -> String {
        let told: Vec<String> = self.0.iter().map(|(name, count)| format!("\"{name}\": {count}")).collect();
        format!("{{{}}}", told.join(", "))
    }
}

/// A screen of the server, as JSON.
pub(crate) fn asked(server: &str, screen: &str) -> String {
    let told = Command::new(server).args(screen.split(' ')).arg("--json").output();
    told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default()
}

/// What sockets could not take, out of `/proc/net/snmp`.
fn udp(text: &str) -> Counters {
    let mut lines = text.lines().filter(|line| line.starts_with("Udp:")).map(|line| line.split_whitespace().skip(1));
    let (Some(names), Some(counts)) = (lines.next(), lines.next()) else { return Counters::new() };
    let all = names.zip(counts).filter(|(name, _)| ["NoPorts", "RcvbufErrors", "SndbufErrors"].contains(name));
    all.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?))).collect()
}

/// What devices could not take, out of `/proc/net/dev`.
fn devices(text: &str) -> Counters {
    let mut all = Counters::new();
    for (name, counts) in text.lines().filter_map(|line| line.split_once(':')) {
        let counts: Vec<u64> = counts.split_whitespace().filter_map(|count| count.parse().ok()).collect();
        if let [_, _, _, received, _, _, _, _, _, _, _, sent, ..] = counts[..] {
            all.insert(format!("{}_rx_dropped", name.trim()), received);
            all.insert(format!("{}_tx_dropped", name.trim()), sent);
        }
    }
    all
}

/// What found no room in the processors' queues, out of `/proc/net/softnet_stat`: the second number of each line.
fn backlog(text: &str) -> Counters {
    let numbers = text.lines().filter_map(|line| line.split_whitespace().nth(1));
    let dropped = numbers.filter_map(|number| u64::from_str_radix(number, 16).ok()).sum();
    Counters::from([("backlog_dropped".to_owned(), dropped)])
}

/// The member `dropped` of the server's screen of its data path: an object of numbers.
fn dropped(screen: &str) -> Counters {
    let inner = screen.split_once("\"dropped\"").and_then(|(_, rest)| rest.split_once('{')).map(|(_, rest)| rest);
    let inner = inner.and_then(|rest| rest.split_once('}')).map_or("", |(inner, _)| inner);
    let members = inner.split(',').filter_map(|member| member.split_once(':'));
    let counts = members.map(|(name, count)| (name.trim().trim_matches('"').to_owned(), count.trim().parse()));
    counts.filter_map(|(name, count)| Some((name, count.ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(&str, u64)]) -> Counters {
        all.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn counters_are_found_where_the_kernel_and_the_server_write_them() {
        let snmp = "Tcp: RtoAlgorithm\nTcp: 1\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n\
                    Udp: 9 2 3 4 5 6\nUdpLite: InDatagrams NoPorts\nUdpLite: 7 7\n";
        assert_eq!(udp(snmp), of(&[("NoPorts", 2), ("RcvbufErrors", 5), ("SndbufErrors", 6)]));
        let dev = "Inter-| Receive | Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets\n\
                   sekisho0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        assert_eq!(devices(dev), of(&[("sekisho0_rx_dropped", 4), ("sekisho0_tx_dropped", 12)]));
        assert_eq!(backlog("0001 00000010 0\n0002 00000001 0\n"), of(&[("backlog_dropped", 17)]));
        let screen = "{\"sent_in_udp\": {\"calls\": 1},\n \"dropped\": {\n  \"replayed\": 3,\n  \"junk\": 40\n }\n}";
        assert_eq!(dropped(screen), of(&[("replayed", 3), ("junk", 40)]));
        assert_eq!(dropped("the data thread is too busy"), of(&[]));
    }

    #[test]
    fn only_what_was_lost_meanwhile_is_told() {
        let before = Losses(of(&[("a", 1), ("b", 2)]));
        let after = Losses(of(&[("a", 1), ("b", 7), ("c", 3)]));
        assert_eq!(after.since(&before).json(), "{\"b\": 5, \"c\": 3}");
    }
}
