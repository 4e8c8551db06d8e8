//! Hours of a crowd that comes, goes, vanishes, talks and renews its SAs: what the server holds must not grow.

use crate::Crowd;
use crate::losses::asked;
use sim::{Peer, Stage};
use std::fs;
use std::time::{Duration, Instant};

/// Lives of the ISAKMP SAs and of the pairs, in seconds: short, so that they are renewed all the time.
pub(crate) const LIVES: (u16, u16) = (240, 60);
/// Each client is replaced about once in so many seconds.
const STAY: usize = 60;
/// Datagrams a second, by all clients in turn.
const RATE: u64 = 200;
/// How often it is looked at what the server holds, at least.
const LOOKS: u32 = 20;
/// Memory may waver by so much, kB.
const WAVERING: u64 = 1024;

/// What the server holds at one moment.
#[derive(Clone, Copy)]
struct Held {
    seconds: u64,
    memory_kb: u64,
    descriptors: usize,
    threads: usize,
    tables: Tables,
}

/// What the server counts of its clients.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Tables {
    /// ISAKMP SAs, and those of ESP in both directions.
    sas: usize,
    tunnels: usize,
    sessions: usize,
    /// Addresses that are lent.
    leases: usize,
}

impl Tables {
    /// Out of the screens of the SAs, of L2TP and of PPP, as JSON.
    fn of(sas: &str, l2tp: &str, pp: &str) -> Self {
        let count = |text: &str, what: &str| text.matches(what).count();
        Self {
            sas: count(sas, "\"spi\":"),
            tunnels: count(l2tp, "\"local_tunnel_id\":"),
            sessions: count(l2tp, "\"local_session_id\":"),
            leases: count(pp, "\"remote_address\": \""),
        }
    }

    /// The largest of each.
    fn most(held: &[Held]) -> Self {
        let most = |of: fn(&Self) -> usize| held.iter().map(|held| of(&held.tables)).max().unwrap_or_default();
        Self {
            sas: most(|t| t.sas),
            tunnels: most(|t| t.tunnels),
            sessions: most(|t| t.sessions),
            leases: most(|t| t.leases),
        }
    }

    /// Whether one of them has grown by more than clients who come and go make it waver.
    fn have_grown(&self, early: &Self) -> bool {
        let pairs = [
            (self.sas, early.sas),
            (self.tunnels, early.tunnels),
            (self.sessions, early.sessions),
            (self.leases, early.leases),
        ];
        pairs.into_iter().any(|(late, early)| late > early + early / 10 + 4)
    }
}

impl Held {
    fn json(self) -> String {
        let Self { seconds, memory_kb, descriptors, threads, tables } = self;
        let Tables { sas, tunnels, sessions, leases } = tables;
        format!(
            "{{\"seconds\": {seconds}, \"memory_kb\": {memory_kb}, \"descriptors\": {descriptors}, \"threads\": {threads}, \
             \"sas\": {sas}, \"tunnels\": {tunnels}, \"sessions\": {sessions}, \"leases\": {leases}}}"
        )
    }
}

/// How it went.
pub(crate) struct Soaked {
    held: Vec<Held>,
    connects: u64,
    failed: u64,
    /// Clients that were up and are not, though nobody ended them.
    fallen: usize,
    sent: u64,
    lost: u64,
}

impl Soaked {
    /// Whether nothing has grown from the second quarter to the last, and no client has fallen. Of the datagrams some are
    /// lost, of those that have just hung up.
    pub(crate) fn is_well(&self) -> bool {
        let quarter = self.held.len() / 4;
        let most = |held: &[Held], of: fn(&Held) -> u64| held.iter().map(of).max().unwrap_or_default();
        let (early, late) = (self.held.get(quarter..2 * quarter), self.held.get(3 * quarter..));
        let (Some(early), Some(late)) = (early, late) else { return false };
        let memory = |held| most(held, |held| held.memory_kb);
        let open = |held| most(held, |held| (held.descriptors + held.threads) as u64);
        let tables = Tables::most(late).have_grown(&Tables::most(early));
        let grown = memory(late) > memory(early) * 21 / 20 + WAVERING || open(late) > open(early) || tables;
        !grown && self.failed == 0 && self.fallen == 0
    }

    pub(crate) fn json(&self) -> String {
        let held: Vec<String> = self.held.iter().map(|held| held.json()).collect();
        format!(
            "{{\"connects\": {}, \"failed\": {}, \"fallen\": {}, \"sent\": {}, \"lost\": {}, \"well\": {}, \"held\": [\n  {}]}}",
            self.connects,
            self.failed,
            self.fallen,
            self.sent,
            self.lost,
            self.is_well(),
            held.join(",\n  ")
        )
    }
}

impl Crowd {
    /// Lets the crowd live for so long.
    pub(crate) fn soak(&mut self, time: Duration) -> Soaked {
        let start = Instant::now();
        let many = self.clients.len();
        let (mut connects, mut failed, mut life) = (0, 0, 100);
        let mut flying: Vec<usize> = Vec::new();
        let (sent, answered) = (self.sent, self.answered);
        let mut held = vec![self.held(start)];
        let (mut replaced, mut asked) = (0, 0);
        while start.elapsed() < time {
            let passed = start.elapsed().as_secs_f64();
            while replaced < (passed * many as f64 / STAY as f64) as usize {
                let n = replaced % many;
                replaced += 1;
                if flying.contains(&n) {
                    continue;
                }
                life += 1;
                self.replace(n, life, replaced.is_multiple_of(2));
                flying.push(n);
            }
            while asked < (passed * RATE as f64) as u64 {
                self.ask(asked as usize % many);
                asked += 1;
            }
            self.turn(Duration::from_millis(5));
            let now = self.now();
            let (clients, give_up) = (&mut self.clients, self.wanted.give_up);
            flying.retain(|&n| {
                let client = &mut clients[n];
                let is_up = client.peer.is_up();
                let is_lost = matches!(client.peer.stage(), Stage::Ended(_)) || now.since(client.dialled) > give_up;
                connects += u64::from(is_up);
                failed += u64::from(!is_up && is_lost);
                if is_up || is_lost {
                    client.sockets[0] = None;
                }
                !is_up && !is_lost
            });
            if start.elapsed() >= time * held.len() as u32 / LOOKS {
                held.push(self.held(start));
                if let Some(last) = held.last() {
                    eprintln!("{}", last.json());
                }
                // What was lost is not waited for.
                let old = self.now().0.saturating_sub(1_000_000_000);
                self.asked.retain(|_, left| left.0 > old);
            }
        }
        self.settle();
        let fallen = (0..many).filter(|n| !flying.contains(n) && !self.clients[*n].peer.is_up()).count();
        let (sent, answered) = (self.sent - sent, self.answered - answered);
        Soaked { held, connects, failed, fallen, sent, lost: sent - answered }
    }

    /// A client leaves, with a word or without, and is there again.
    fn replace(&mut self, n: usize, life: u64, says_so: bool) {
        if says_so {
            self.act(n, Peer::hang_up);
        }
        let address = self.clients[n].address;
        let socket = self.socket(n as u32, address, 500);
        let (peer, now) = (self.peer(n as u32, address, life), self.now());
        let client = &mut self.clients[n];
        client.peer = peer;
        client.due = None;
        client.sockets[0] = Some(socket);
        client.dialled = now;
        self.act(n, Peer::dial);
    }

    fn held(&self, start: Instant) -> Held {
        let count = |what: &str| {
            let pid = self.wanted.server_pid.unwrap_or_default();
            fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count)
        };
        let screen =
            |screen| self.wanted.server_binary.as_ref().map(|server| asked(server, screen)).unwrap_or_default();
        Held {
            seconds: start.elapsed().as_secs(),
            memory_kb: self.server_memory(),
            descriptors: count("fd"),
            threads: count("task"),
            tables: Tables::of(&screen("show ipsec sa"), &screen("show status l2tp"), &screen("show status pp")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soaked(memory: impl Fn(u64) -> u64, descriptors: impl Fn(u64) -> usize) -> Soaked {
        let held = (0..20)
            .map(|n| Held {
                seconds: n,
                memory_kb: memory(n),
                descriptors: descriptors(n),
                threads: 8,
                tables: Tables::default(),
            })
            .collect();
        Soaked { held, connects: 9, failed: 0, fallen: 0, sent: 9, lost: 0 }
    }

    #[test]
    fn tables_are_counted_as_the_server_tells_them_and_their_growth_is_seen() {
        let sas = "[{\"sa\": 1, \"spi\": \"a\"}, {\"sa\": 2, \"spi\": \"b\"}, {\"sa\": 3, \"spi\": \"c\"}]";
        let l2tp = "[{\"local_tunnel_id\": 1, \"sessions\": [{\"local_session_id\": 1}, {\"local_session_id\": 2}]}]";
        let pp = "[{\"call\": {\"remote_address\": \"10.0.0.1\"}}, {\"call\": {\"remote_address\": null}}, {\"call\": null}]";
        let tables = Tables::of(sas, l2tp, pp);
        assert_eq!(tables, Tables { sas: 3, tunnels: 1, sessions: 2, leases: 1 });
        let mut leaking = soaked(|_| 20_000, |_| 20);
        assert!(leaking.is_well());
        for (n, held) in leaking.held.iter_mut().enumerate() {
            held.tables.leases = 100 + n * 2;
        }
        assert!(!leaking.is_well());
    }

    #[test]
    fn what_grows_is_seen_and_what_wavers_is_let_be() {
        assert!(soaked(|n| 20_000 + n % 3 * 300, |_| 20).is_well());
        assert!(!soaked(|n| 20_000 + n * 300, |_| 20).is_well());
        assert!(!soaked(|_| 20_000, |n| 20 + n as usize).is_well());
        assert!(!Soaked { fallen: 1, ..soaked(|_| 20_000, |_| 20) }.is_well());
    }
}
