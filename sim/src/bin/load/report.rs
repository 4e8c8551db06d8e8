//! What came of it, as JSON.

use crate::bad::Tried;
use crate::flood;
use crate::losses::Losses;
use std::collections::BTreeMap;
use std::time::Duration;

/// How connecting went.
pub(crate) struct Connected {
    pub(crate) total: usize,
    pub(crate) took: Vec<Duration>,
    pub(crate) failed: BTreeMap<String, u32>,
    pub(crate) seconds: Duration,
    pub(crate) cpu: f64,
    pub(crate) talk: Talk,
}

/// How those fared meanwhile that stayed.
#[derive(Default)]
pub(crate) struct Talk {
    pub(crate) sent: u64,
    /// Of these, those that have come to the echo, and those that have come back.
    pub(crate) arrived: u64,
    pub(crate) answered: u64,
    /// From asking to hearing, of these.
    pub(crate) times: Vec<Duration>,
    /// Clients that were up and are not any more.
    pub(crate) fallen: usize,
    /// Packets of all clients that the clients' own host would not send.
    pub(crate) unsent: u64,
    /// What the hosts and the server have counted, of all packets.
    pub(crate) losses: Losses,
}

/// How a flood went.
pub(crate) struct Flooded {
    pub(crate) seconds: Duration,
    pub(crate) sent: flood::Sent,
    pub(crate) bad: Tried,
    /// Octets that went to nobody.
    pub(crate) answered: u64,
    pub(crate) rounds: Vec<Connected>,
    pub(crate) cores: f64,
    /// Before, at its end, and some time later.
    pub(crate) memory: [u64; 3],
}

/// How long a client may take to connect while somebody floods the server.
const PATIENCE: Duration = Duration::from_secs(5);

impl Flooded {
    fn slowest(&self) -> Duration {
        self.rounds.iter().flat_map(|round| &round.took).copied().max().unwrap_or_default()
    }

    /// Whether each client came in within [`PATIENCE`], no more was answered than was asked, and no bad public value was
    /// taken.
    pub(crate) fn is_well(&self) -> bool {
        let all_up = self.rounds.iter().all(|round| round.took.len() == round.total);
        all_up && self.slowest() <= PATIENCE && self.answered <= self.sent.octets && self.bad.taken == 0
    }

    pub(crate) fn json(self) -> String {
        let slowest = self.slowest().as_secs_f64() * 1000.0;
        let Self { seconds, sent, bad, answered, rounds, cores, memory } = self;
        let up: usize = rounds.iter().map(|round| round.took.len()).sum();
        let total: usize = rounds.iter().map(|round| round.total).sum();
        let (asked, back) = rounds.iter().fold((0, 0), |(a, b), round| (a + round.talk.sent, b + round.talk.answered));
        let mut took: Vec<Duration> = rounds.into_iter().flat_map(|round| round.took).collect();
        format!(
            "{{\"seconds\": {:.1}, \"packets_per_second\": {:.0}, \"octets_in\": {}, \"octets_out\": {answered}, \
             \"amplification\": {:.3}, \"reconnects\": {total}, \"up\": {up}, \"p50_ms\": {:.1}, \"p99_ms\": {:.1}, \
             \"slowest_ms\": {slowest:.1}, \"stayers_sent\": {asked}, \"stayers_lost\": {}, \"server_cores\": {cores:.2}, \
             \"memory_kb\": {{\"before\": {}, \"after\": {}, \"later\": {}}}, \
             \"bad_public_values\": {{\"exchanges\": {}, \"taken\": {}, \"octets_in\": {}, \"octets_out\": {}}}}}",
            seconds.as_secs_f64(),
            sent.packets as f64 / seconds.as_secs_f64(),
            sent.octets,
            answered as f64 / sent.octets.max(1) as f64,
            percentile(&mut took, 50),
            percentile(&mut took, 99),
            asked - back,
            memory[0],
            memory[1],
            memory[2],
            bad.exchanges,
            bad.taken,
            bad.sent,
            bad.received,
        )
    }
}

/// How talking went.
pub(crate) struct Talked {
    pub(crate) talkers: usize,
    pub(crate) seconds: Duration,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) cpu: f64,
    pub(crate) times: Vec<Duration>,
}

/// Rounds of one load, each offered in three ways one after the other.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) by_one: Vec<Talked>,
    pub(crate) by_many: Vec<Talked>,
    /// By many, through the bare loop.
    pub(crate) bare: Vec<Talked>,
}

impl Shared {
    pub(crate) fn json(self) -> String {
        let [one, many, bare] = [&self.by_one, &self.by_many, &self.bare].map(|rounds| median(rounds, Talked::cost));
        format!(
            "{{\"by_one\": {},\n  \"by_many\": {},\n  \"bare\": {},\n  \"many_to_one_cost\": {:.3}, \
             \"many_to_bare_cost\": {:.3}, \"one_to_bare_cost\": {:.3}}}",
            rounds(self.by_one),
            rounds(self.by_many),
            rounds(self.bare),
            many / one.max(1e-9),
            many / bare.max(1e-9),
            one / bare.max(1e-9),
        )
    }
}

/// The middle one of some rounds' figures.
pub(crate) fn median(rounds: &[Talked], of: fn(&Talked) -> f64) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Rounds, one a line.
pub(crate) fn rounds(rounds: Vec<Talked>) -> String {
    let told: Vec<String> = rounds.into_iter().map(Talked::json).collect();
    format!("[{}]", told.join(",\n   "))
}

/// The value below which so many hundredths lie, in milliseconds.
fn percentile(times: &mut [Duration], hundredths: usize) -> f64 {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * hundredths / 100).map_or(0.0, |t| t.as_secs_f64() * 1000.0)
}

impl Connected {
    pub(crate) fn json(mut self) -> String {
        let up = self.took.len();
        let seconds = self.seconds.as_secs_f64();
        let failed: Vec<String> = self.failed.iter().map(|(why, n)| format!("{why:?}: {n}")).collect();
        format!(
            "{{\"clients\": {}, \"up\": {up}, \"seconds\": {seconds:.2}, \"per_second\": {:.0}, \"p50_ms\": {:.1}, \
             \"p99_ms\": {:.1}, \"server_cpu_s\": {:.2}, \"server_cpu_ms_each\": {:.3}, \"failed\": {{{}}}, \
             \"stayers_sent\": {}, \"stayers_lost\": {}, \"stayers_lost_before_the_echo\": {}, \"stayers_p50_ms\": {:.1}, \
             \"stayers_p99_ms\": {:.1}, \"stayers_fallen\": {}, \
             \"unsent\": {}, \"counted_on_the_way\": {}}}",
            self.total,
            up as f64 / seconds,
            percentile(&mut self.took, 50),
            percentile(&mut self.took, 99),
            self.cpu,
            self.cpu * 1000.0 / up.max(1) as f64,
            failed.join(", "),
            self.talk.sent,
            self.talk.sent - self.talk.answered,
            self.talk.sent.saturating_sub(self.talk.arrived),
            percentile(&mut self.talk.times, 50),
            percentile(&mut self.talk.times, 99),
            self.talk.fallen,
            self.talk.unsent,
            self.talk.losses.json(),
        )
    }
}

impl Talked {
    /// Datagrams a second that came back.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.seconds.as_secs_f64().max(1e-9)
    }

    /// Microseconds of the server's for a datagram in one direction.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu * 1e6 / (self.answered.max(1) * 2) as f64
    }

    pub(crate) fn json(mut self) -> String {
        format!(
            "{{\"talkers\": {}, \"seconds\": {:.2}, \"per_second\": {:.0}, \"sent\": {}, \"lost\": {}, \"p50_ms\": {:.2}, \
             \"p99_ms\": {:.2}, \"server_cpu_us_each\": {:.2}}}",
            self.talkers,
            self.seconds.as_secs_f64(),
            self.rate(),
            self.sent,
            self.sent - self.answered,
            percentile(&mut self.times, 50),
            percentile(&mut self.times, 99),
            self.cost(),
        )
    }
}
