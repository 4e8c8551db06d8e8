//! The verbs of scenes: what a test does with the world and asks of it.

use crate::packet;
use crate::world::{Delivery, ECHO, Echoes, HOST, MARK, World, echo_head, seed32};
use command::Typed;
use core::time::Duration;
use engine::path::{self, ClientId, Worker};
use engine::record::{JUMP, Refused};
use engine::status::{Look, Reply, Screen};
use engine::time::Instant;
use engine::{Engine, Input, Outbox};

/// Screens here have no clock on the wall.
const ENGLISH: Look<'static> =
    Look { language: command::Language::English, ago: &|_| String::from("2026/04/14 09:30:00") };

impl World {
    /// Dials and waits until the client is up.
    pub fn connect(&mut self, who: usize) {
        self.dial(who);
        let up = self.run_until(Duration::from_secs(90), |w| w.peers[who].is_up());
        assert!(up, "client {who} is not up but {:?}:\n{}", self.peers[who].stage(), self.story(who));
    }

    /// Asks the host behind the server for an echo of `size` octets; [`Echoes::back`] tells whether it came.
    pub fn echo(&mut self, who: usize, size: usize) -> u64 {
        let Some(inside) = self.peers[who].inside() else {
            return u64::MAX;
        };
        let e = &mut self.echoes[who];
        let n = e.next;
        e.next += 1;
        e.asked.insert(n, self.now);
        let mut payload = [MARK, &echo_head(n, who as u64)].concat();
        payload.resize(size.max(payload.len()), 0x55);
        let ip = packet::udp((inside, 9), (HOST, ECHO), &payload);
        self.act(who, |p, now| p.send_ip(&ip, now));
        n
    }

    /// One client pretends that another's session is its own ([`crate::Peer::pretend`]).
    pub fn pretend(&mut self, thief: usize, victim: usize, user: Option<(&str, &str)>) {
        let mut peers = core::mem::take(&mut self.peers);
        assert_ne!(thief, victim, "a client cannot rob itself");
        let (front, back) = peers.split_at_mut(thief.max(victim));
        let (low, high) = (&mut front[thief.min(victim)], &mut back[0]);
        if thief < victim {
            low.pretend(high, user)
        } else {
            high.pretend(low, user)
        }
        self.peers = peers;
    }

    /// The host behind the server sends a client an IP packet of its own accord.
    pub fn host_calls(&mut self, inside: core::net::Ipv4Addr) {
        let ip = packet::udp((HOST, ECHO), (inside, 9), b"from the host");
        self.tun_receives(&ip);
    }

    /// Asks for an echo and waits for it.
    pub fn reaches(&mut self, who: usize) -> bool {
        let n = self.echo(who, 100);
        self.run_until(Duration::from_secs(2), |w| w.echoes[who].back.contains(&n))
    }

    /// How many echoes did not come back.
    pub fn lost_echoes(&self, who: usize) -> usize {
        let e = &self.echoes[who];
        e.asked.keys().filter(|n| !e.back.contains(n)).count()
    }

    /// A client's dialogue, and what the server told, for a failure's message.
    pub fn story(&self, who: usize) -> String {
        let mut lines: Vec<(Instant, String)> =
            self.peers[who].dialogue().iter().map(|(t, l)| (*t, format!("  client {l}"))).collect();
        lines.extend(self.events.iter().map(|(t, e)| (*t, format!("  server {e}"))));
        lines.sort_by_key(|l| l.0);
        let start = Instant(1_000_000_000);
        lines.iter().map(|(t, l)| format!("{:9.3} {l}\n", t.since(start).as_secs_f64())).collect()
    }

    /// The server's log, one line an event.
    pub fn log(&self) -> Vec<String> {
        self.events.iter().map(|(_, e)| e.to_string()).collect()
    }

    /// Whether some line of the log contains these words.
    pub fn told(&self, words: &str) -> bool {
        self.log().iter().any(|l| l.contains(words))
    }

    /// An operator's line; gives the answer in English. A line that changes the configuration is followed at once.
    pub fn command(&mut self, line: &str) -> String {
        self.try_command(line).expect("a line")
    }

    /// The same for a line that may be refused.
    ///
    /// # Errors
    ///
    /// If the line cannot be understood, or does not go together with the configuration; nothing has changed then.
    pub fn try_command(&mut self, line: &str) -> Result<String, String> {
        let selected = self.selected;
        let typed = command::typed(&self.config, selected, command::Level::Administrator, line);
        let answer = match typed.map_err(|why| format!("{why:?}"))? {
            Typed::Nothing | Typed::Password(_) => String::new(),
            Typed::Select(scope) => {
                self.selected = scope;
                String::new()
            }
            Typed::Change { config, told } => {
                self.config = (*config).clone();
                self.input(Input::Configure(config));
                told.iter().map(|problem| format!("{problem}\n")).collect()
            }
            Typed::Ask(request) => {
                self.input(Input::Request(request, selected));
                self.answer()
            }
        };
        Ok(answer)
    }

    /// The operator has another configuration followed.
    pub fn configure(&mut self, config: command::Config) {
        self.selected = command::Scope::Global;
        self.config = config.clone();
        self.input(Input::Configure(Box::new(config)));
    }

    /// The last answer in English.
    pub(crate) fn answer(&mut self) -> String {
        match self.replies.pop() {
            Some(Reply::Screen(screen)) => screen.text(ENGLISH),
            Some(Reply::Done(text)) => format!("{text}\n"),
            Some(Reply::Refused(why)) => format!("error: {why}\n"),
            None => String::new(),
        }
    }

    /// The screen of an operator's request.
    pub fn screen(&mut self, line: &str) -> Screen {
        let request = command::parse_request(line).expect("a request");
        self.input(Input::Request(request, self.selected));
        match self.replies.pop() {
            Some(Reply::Screen(screen)) => screen,
            other => panic!("no screen: {other:?}"),
        }
    }

    /// Something comes to port 68 from the LAN.
    pub fn lan_says(&mut self, bytes: &[u8]) {
        self.input(Input::Dhcp { lan: "lan1", bytes });
    }

    /// The server stops in good order.
    pub fn shut_down(&mut self) {
        self.input(Input::Shutdown);
    }

    /// The server's whole state is written to records; a new engine and a new worker go on from them.
    pub fn restart_from_records(&mut self) -> Result<usize, Refused> {
        let ids: Vec<ClientId> = self.engine.client_ids().collect();
        let mut records = vec![];
        for id in ids {
            // A client that has no SA yet is unknown to the worker: it begins anew by itself.
            if let Some(state) = self.worker.snapshot(id) {
                records.extend(self.engine.export(id, state));
            }
        }
        self.begin_anew();
        let count = records.len();
        for record in records {
            let mut out = Outbox::new();
            let state = self.engine.import(&record, self.now, &mut out)?;
            self.worker.restore(state, JUMP);
            self.drain_box(out);
        }
        Ok(count)
    }

    /// A new engine and a new worker that know of nobody.
    fn begin_anew(&mut self) {
        // No two engines may draw the same numbers.
        self.restarts += 1;
        let seed = self.seed.wrapping_add(self.restarts << 32);
        self.engine = Engine::new(self.config.clone(), seed32(seed ^ 2));
        self.worker = Worker::new(seed32(seed ^ 3));
        self.routes.clear();
        self.prefixes.clear();
        self.numbered.clear();
        // Results that the old engine asked for come to nobody.
        self.queue.retain(|_, d| !matches!(d, Delivery::Computed(_)));
    }

    /// The server is killed and started again: nothing is remembered.
    pub fn restart_from_nothing(&mut self) {
        self.begin_anew();
        self.input(Input::Started);
    }

    /// What the data path counted.
    pub fn totals(&self) -> path::Totals {
        self.worker.totals()
    }

    /// Asks for an echo every `every` for so long, and waits for the last ones; gives how many were lost.
    pub fn traffic(&mut self, who: usize, every: Duration, span: Duration) -> usize {
        let first = self.echoes[who].next;
        let end = self.now.after(span);
        while self.now < end {
            self.echo(who, 100);
            self.run_for(every);
        }
        self.run_for(Duration::from_secs(1));
        let e = &self.echoes[who];
        (first..e.next).filter(|n| !e.back.contains(n)).count()
    }

    /// The lines of the log that contain these words.
    pub fn lines(&self, words: &str) -> Vec<String> {
        self.log().into_iter().filter(|l| l.contains(words)).collect()
    }

    /// Forgets what was asked and answered so far.
    pub fn count_echoes_anew(&mut self, who: usize) {
        let e = &mut self.echoes[who];
        *e = Echoes { next: e.next, ..Echoes::default() };
    }
}

impl World {
    /// The records of all clients that have one.
    pub fn records(&self) -> Vec<Vec<u8>> {
        let record = |id: ClientId| self.engine.export(id, self.worker.snapshot(id)?);
        self.engine.client_ids().filter_map(record).collect()
    }

    /// Takes a client in from a record, beside those that are here.
    ///
    /// # Errors
    ///
    /// If the engine refuses it.
    pub fn import(&mut self, record: &[u8]) -> Result<(), Refused> {
        let mut out = Outbox::new();
        let state = self.engine.import(record, self.now, &mut out)?;
        self.worker.restore(state, JUMP);
        self.drain_box(out);
        Ok(())
    }
}
