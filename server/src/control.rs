//! The control thread: wait, one input to the engine, all its outputs.

use crate::ahead::Ahead;
use crate::aside::{self, Aside};
use crate::check;
use crate::clock;
use crate::compute::{self, Pool, Weight};
use crate::confine::{self, Places};
use crate::crew::{Crew, Hand, sum};
use crate::crowd::{self, Crowd};
use crate::host::{Host, run_dir};
use crate::lan::Lans;
use crate::log::Log;
use crate::memory::{self, Memory};
use crate::operator::{self, Answer, Desk, Errand, What};
use crate::ports;
use crate::raw::RawEsp;
use crate::setup::{Failure, Setup};
use crate::socket::Door;
use crate::steer::{Signposts, Steering};
use crate::tun::{self, Tun};
use crate::udp::{Family, Group, Inbox, Outgoing, Segmentation, Sender, Udp};
use crate::wake::{Alarm, Wake};
use crate::worker::{self, Done, Links, Mate, Report};
use command::Request;
use crypto::Secret;
use engine::event::Level;
use engine::ike::{Computed, Endpoint, Job};
use engine::path::Update;
use engine::status::Reply;
use engine::time::Instant;
use engine::{Engine, HostChange, Input, Outbox, Output};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::esp::Encapsulated;

/// Where IKE begins (RFC 2408 §2.5.1).
const IKE_PORT: u16 = 500;
/// Where IKE goes on and ESP travels when a NAT stands between (RFC 3948 §2).
pub(crate) const NAT_PORT: u16 = 4500;
/// Where L2TP would be, were it spoken outside ESP (RFC 2661 §8.1).
const L2TP_PORT: u16 = 1701;
/// Overload is told of again after so long.
const TELL_OVERLOAD: Duration = Duration::from_secs(60);
/// Room for one ISAKMP message on port 500, in octets.
const ISAKMP_SLOT: usize = 8192;
/// Datagrams received from port 500 in one go.
const ISAKMP_BATCH: usize = 16;
/// Reports of the data thread handled before other inputs have their turn.
const REPORTS: usize = 256;
/// Timers are not looked at again for so long: what many clients want within it leaves in one go, which with ten thousand
/// of them saves hundreds of wake-ups a second. Who waits alone waits no longer than its timer says.
const GATHER: Duration = Duration::from_millis(50);
/// How long clients may take to say goodbye when the server stops.
const GOODBYE: Duration = Duration::from_millis(300);
/// Errands of operators that may wait.
const ERRANDS: usize = 8;

/// Serves until a signal says to stop; everything the program changed on the host is undone when this returns.
pub(crate) fn run(mut setup: Setup) -> Result<(), Failure> {
    let trouble = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| Failure::new(format!("cannot {what}: {error}"))
    };
    memory::share();
    memory::code_at_hand();
    // What this takes is ruled out later.
    let steering = if setup.workers > 1 { Some(Steering::load()) } else { None };
    let (steering, refused) = steering.map_or((None, None), |loaded| match loaded {
        Ok(steering) => (Some(steering), None),
        Err(error) => (None, Some(error)),
    });
    if steering.is_none() {
        setup.workers = 1;
    }
    // Threads get what the one that starts them has, so this comes before all of them.
    let troubles = if setup.confined {
        // The folder of the socket is made before it is one of the few that can be written in; if it cannot be, the socket
        // says so.
        let _ = setup.socket_path.parent().map(std::fs::create_dir_all);
        let config = setup.config_path.clone();
        confine::confine(&Places { config, run: run_dir(), socket: setup.socket_path.clone() })
    } else {
        vec!["the server keeps all the privileges that it was started with, as '--unconfined' says".to_owned()]
    };
    let log = Log::start().map_err(trouble("start the thread of the log"))?;
    for sentence in troubles {
        log.line(sentence);
    }
    if let Some(error) = refused {
        log.line(format_args!(
            "one thread does all work on packets: the program that would spread them over several cannot be loaded \
             ({error}); this takes the capability CAP_BPF, and '--workers 1' is the same without this line"
        ));
    }
    let signals = Signals::catch().map_err(trouble("catch signals"))?;
    let outcome = serve(setup, steering, &log, signals);
    log.flush();
    outcome
}

fn serve(setup: Setup, steering: Option<Steering>, log: &Log, signals: Signals) -> Result<(), Failure> {
    let trouble = |error: io::Error| Failure::new(format!("cannot start a thread: {error}"));
    let Setup { config, config_path, mut host, socket_path, quickstart_screen, workers, confined: _ } = setup;
    log.configure(&config.syslog);
    let ike = bind(IKE_PORT, Udp::bind)?;
    let Group { firsts, control: nat, seconds, outs } = bind(NAT_PORT, |port| Udp::bind_group(port, workers))?;
    let _deaf = bind(L2TP_PORT, Udp::deaf)?;
    let raws = open_raw(workers)?;
    // Without IPv6 on this host there is nothing to receive.
    let raws6 = RawEsp::open_group(Family::V6, workers).unwrap_or_default();
    let family = ike.family();
    let (program, signposts) = steering.map(Steering::split).unzip();
    let tuns = open_tun(workers, program)?;
    let Some(tun) = tuns.first() else {
        return Err(Failure::new("there is no device to serve with"));
    };
    let tun_name = tun.name().to_owned();
    if speaks_ipv6(&config)
        && let Some(sentence) = host.tun_speaks_ipv6(&tun_name)
    {
        log.line(sentence);
    }
    host.tun_up(&tun_name, tun_mtu(&config))?;
    for (address, _) in addresses(&config) {
        host.tun_address(address)?;
    }

    let mut lans = Lans::default();
    for sentence in lans.prepare(&config, &mut host) {
        log.line(sentence);
    }

    let bell = Arc::new(Wake::new().map_err(trouble)?);
    let alarm = Alarm::new(bell.clone());
    let (to_control, reports) = sync_channel(worker::REPORTS);
    let other = aside::start(&config, tun, &to_control, &bell, seed()?, &alarm)?;
    let (aside, aside_thread) = other.unzip();
    let ends = Ends { reports: to_control, bell: bell.clone(), aside: aside.clone() };
    let links = (tuns, (firsts, seconds, outs), raws, raws6);
    let (crew, workers) = start_workers(links, ends, signposts, &alarm)?;
    let (done, computed) = channel();
    let ring = bell.clone();
    let ahead = Arc::new(Ahead::new());
    let pairs = ahead.clone();
    let work = move |job: Job| {
        if done.send(job.run(|group| pairs.take(group))).is_ok() {
            ring.ring();
        }
    };
    let pool = Pool::start(compute::threads(), &alarm, work, move || ahead.make(entropy)).map_err(trouble)?;

    let (errands, asked) = sync_channel(ERRANDS);
    let desk = Arc::new(Desk::new(config.clone(), config_path, log.clone(), errands, bell.clone()));
    let door = open_door(&socket_path, &alarm, desk.clone())?;

    let engine = Engine::new(as_served(config.clone()), seed()?);
    let mut control = Control {
        engine,
        outbox: Outbox::default(),
        config,
        host,
        lans,
        log: log.clone(),
        ike,
        nat,
        inbox: Inbox::new(ISAKMP_BATCH, ISAKMP_SLOT),
        sender: Sender::new(Segmentation::Never, family),
        crew,
        aside,
        reports,
        pool,
        computed,
        asked,
        desk,
        tun_name: tun_name.clone(),
        bell,
        alarm,
        signals,
        reply: None,
        tun_is_gone: false,
        leave_at: None,
        memory: Memory::default(),
        overload_told: None,
        next_timers: clock::now(),
    };
    log.line(format_args!(
        "Sekisho {} serves L2TP/IPsec on UDP {IKE_PORT} and {NAT_PORT} and on ESP, by the device {tun_name}",
        env!("CARGO_PKG_VERSION")
    ));
    if let Some(screen) = quickstart_screen {
        // Whoever does not read it does not need it.
        let _ = writeln!(io::stdout(), "{screen}");
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        control.input(Input::Started, clock::now());
        control.serve()
    }))
    .unwrap_or_else(|_| Err(fell("control")));
    drop(door);
    control.end(workers, aside_thread);
    outcome
}

fn fell(thread: &str) -> Failure {
    Failure::new(format!(
        "the thread '{thread}' fell over a defect of this program, so the server stopped and put the host back as it was; \
         please report the lines above, and start it again"
    ))
}

/// Where the data threads tell what they must.
struct Ends {
    reports: SyncSender<Report>,
    bell: Arc<Wake>,
    aside: Option<Aside>,
}

/// What each data thread reads and writes, in the order of their numbers.
type Sockets = (Vec<Tun>, (Vec<Udp>, Vec<Udp>, Vec<Udp>), Vec<RawEsp>, Vec<RawEsp>);

/// Starts a data thread for each queue of the device.
fn start_workers(
    (tuns, (firsts, seconds, outs), raws, raws6): Sockets,
    ends: Ends,
    signposts: Option<Signposts>,
    alarm: &Alarm,
) -> Result<(Crew, Vec<JoinHandle<Done>>), Failure> {
    let trouble = |error: io::Error| Failure::new(format!("cannot start a thread: {error}"));
    let (mut mates, mut boxes) = (Vec::new(), Vec::new());
    for _ in &tuns {
        let (handed, taken) = sync_channel(worker::HANDED);
        mates.push(Mate { handed, bell: Arc::new(Wake::new().map_err(trouble)?) });
        boxes.push(taken);
    }
    let (mut hands, mut threads) = (Vec::new(), Vec::new());
    let mut raws6 = raws6.into_iter();
    let lists = crowd::lists(tuns.len());
    let sockets = tuns.into_iter().zip(firsts).zip(seconds).zip(outs).zip(raws).zip(boxes).enumerate();
    for (number, (((((tun, udp), second), out), raw), handed)) in sockets {
        let Some(bell) = mates.get(number).map(|mate| mate.bell.clone()) else { break };
        let (orders, from_control) = sync_channel(worker::ORDERS);
        let links = Links {
            number,
            mates: mates.clone(),
            handed,
            udp,
            crowd: Crowd::new(number, second, lists.clone()),
            out,
            raw,
            raw6: raws6.next(),
            tun,
            orders: from_control,
            bell: bell.clone(),
            reports: ends.reports.clone(),
            control_bell: ends.bell.clone(),
            aside: ends.aside.clone(),
        };
        let data = engine::path::Worker::new(seed()?);
        threads.push(worker::start(data, links, alarm).map_err(trouble)?);
        hands.push(Hand::new(orders, bell));
    }
    Ok((Crew::new(hands, signposts), threads))
}

/// Everything the control thread holds.
struct Control {
    engine: Engine,
    outbox: Outbox,
    config: command::Config,
    host: Host,
    lans: Lans,
    log: Log,
    ike: Udp,
    /// Port 4500, as far as it is of IKE; all of it to send on.
    nat: Udp,
    inbox: Inbox,
    sender: Sender,
    crew: Crew,
    aside: Option<Aside>,
    reports: Receiver<Report>,
    pool: Pool<Job>,
    computed: Receiver<Computed>,
    asked: Receiver<Errand>,
    desk: Arc<Desk>,
    tun_name: String,
    bell: Arc<Wake>,
    alarm: Alarm,
    signals: Signals,
    /// What the engine answered to the request in hand.
    reply: Option<Reply>,
    /// The data thread has lost its device.
    tun_is_gone: bool,
    /// When the server stops at the latest, once it has been told to.
    leave_at: Option<Instant>,
    memory: Memory,
    overload_told: Option<Instant>,
    /// Timers are looked at from here on.
    next_timers: Instant,
}

impl Control {
    fn serve(&mut self) -> Result<(), Failure> {
        self.memory.reconfigured(clock::now());
        loop {
            if let Some(thread) = self.alarm.fallen() {
                return Err(fell(thread));
            }
            if self.tun_is_gone {
                return Err(Failure::new(
                    "the server's TUN device was taken away; start the server again, and leave its device alone",
                ));
            }
            let now = clock::now();
            let due = self.engine.poll_timeout().map(|(at, _reason)| at);
            if let Some(leave_at) = self.leave_at
                && (due.is_none() || now.reached(leave_at))
            {
                return Ok(());
            }
            self.memory.note(self.engine.clients() + self.engine.half_open(), now);
            let due = due.map(|at| at.max(self.next_timers));
            let wake_up = engine::time::earliest(due, engine::time::earliest(self.leave_at, self.memory.due()));
            let ready = self.wait(wake_up.map(|at| at.since(now)));
            let now = clock::now();
            if ready.ike {
                self.on_ike(IKE_PORT, now);
            }
            if ready.nat {
                self.on_ike(NAT_PORT, now);
            }
            if ready.lan {
                for (lan, bytes) in self.lans.receive() {
                    self.input(Input::Dhcp { lan: &lan, bytes: &bytes }, now);
                }
            }
            if ready.bell {
                self.bell.hush();
                self.on_bell(now);
            }
            let signalled = if ready.signal { self.signals.take() } else { Signalled::Not };
            if signalled == Signalled::Reload && self.leave_at.is_none() {
                self.reload();
            }
            if signalled == Signalled::Stop {
                if self.leave_at.is_some() {
                    // Whoever asks twice does not want to wait.
                    return Ok(());
                }
                self.log.line("the server is told to stop and says goodbye to its clients");
                self.leave_at = Some(now.after(GOODBYE));
                self.input(Input::Shutdown, now);
            }
            if now.reached(self.next_timers) && self.engine.poll_timeout().is_some_and(|(at, _reason)| now.reached(at))
            {
                self.input(Input::Timeout, now);
                // Where more are due than are served in one go, they have their turn behind what else has come.
                if self.engine.poll_timeout().is_none_or(|(at, _reason)| !now.reached(at)) {
                    self.next_timers = now.after(GATHER);
                }
            }
        }
    }

    fn wait(&self, longest: Option<Duration>) -> Ready {
        let timeout = longest.map(|longest| Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(longest.subsec_nanos()),
        });
        let mut fds = vec![
            PollFd::new(&self.ike, PollFlags::IN),
            PollFd::new(&self.nat, PollFlags::IN),
            PollFd::new(&*self.bell, PollFlags::IN),
            PollFd::new(&self.signals.waiting, PollFlags::IN),
            PollFd::new(&self.signals.rereading, PollFlags::IN),
        ];
        fds.extend(self.lans.sockets().map(|socket| PollFd::new(socket, PollFlags::IN)));
        // Interrupted by a signal: its octet in the pipe ends the next call at once.
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = || ready.next().unwrap_or(false);
        let (ike, nat, bell, stop, reread) = (next(), next(), next(), next(), next());
        Ready { ike, nat, bell, signal: stop || reread, lan: ready.any(|ready| ready) }
    }

    /// Reads the file again, as SIGHUP asks, on a thread of its own: what is read comes back as an errand.
    fn reload(&self) {
        let (desk, log) = (self.desk.clone(), self.log.clone());
        let watch = self.alarm.watch("reload");
        let started = std::thread::Builder::new().name("reload".into()).spawn(move || {
            let _watch = watch;
            if let Err(why) = desk.reload() {
                log.line(why);
            }
        });
        if let Err(error) = started {
            self.log.line(format_args!("the configuration cannot be read again: {error}"));
        }
    }

    /// One input, all its outputs.
    fn input(&mut self, input: Input<'_>, now: Instant) {
        self.engine.handle(input, now, &mut self.outbox);
        self.carry_out(now);
    }

    /// One batch of one of the two ports.
    fn on_ike(&mut self, port: u16, now: Instant) {
        let socket = if port == NAT_PORT { &self.nat } else { &self.ike };
        // What cannot be received is lost like anything on a network.
        if self.inbox.receive(socket.as_fd()).is_err() {
            return;
        }
        let bare = |bytes: &mut [u8]| match (port, wire::esp::classify(bytes)) {
            (NAT_PORT, Encapsulated::Isakmp(message)) => Some(message.to_vec()),
            (NAT_PORT, _) => None,
            _ => Some(bytes.to_vec()),
        };
        let messages = self.inbox.datagrams().filter_map(|d| Some((d.peer, d.local, bare(d.bytes)?)));
        let messages: Vec<_> = messages.collect();
        for (peer, local, bytes) in messages {
            let local = SocketAddr::new(local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port);
            self.input(Input::Isakmp { endpoint: Endpoint { local, peer }, bytes: &bytes }, now);
        }
    }

    fn on_bell(&mut self, now: Instant) {
        let mut left = REPORTS;
        while left > 0 {
            let Ok(report) = self.reports.try_recv() else { break };
            left -= 1;
            match report {
                Report::Overloaded => self.tell_overload(now),
                Report::Isakmp(bytes, peer, local) => {
                    let endpoint = Endpoint { local: SocketAddr::new(local, NAT_PORT), peer };
                    self.input(Input::Isakmp { endpoint, bytes: &bytes }, now);
                }
                Report::Note(note) => self.input(Input::Note(note), now),
                Report::Stream(stream, happened) => self.input(Input::Stream { stream, event: happened.event() }, now),
                Report::TunGone => self.tun_is_gone = true,
            }
        }
        if left == 0 {
            // There may be more, but others come first.
            self.bell.ring();
        }
        while let Ok(computed) = self.computed.try_recv() {
            self.input(Input::Computed(computed), now);
        }
        while let Ok(errand) = self.asked.try_recv() {
            let answer = match errand.what {
                What::Request(Request::ShowStatusFastpath, _) => Answer::FastPath(
                    self.crew.done_so_far().map(|done| Box::new(Done { ike_lost: self.lost_ike(), ..done })),
                ),
                What::Request(request, selected) => {
                    self.input(Input::Request(request, selected), now);
                    self.reply.take().map_or(Answer::Configured, Answer::Reply)
                }
                What::Configure(config) => {
                    self.configure(*config, now);
                    Answer::Configured
                }
            };
            // The operator may have gone away.
            let _ = errand.answer.try_send(answer);
        }
    }

    /// Follows another configuration: the host first, since clients may use at once what the engine gives them.
    fn configure(&mut self, config: command::Config, now: Instant) {
        self.log.configure(&config.syslog);
        if speaks_ipv6(&config)
            && !speaks_ipv6(&self.config)
            && let Some(sentence) = self.host.tun_speaks_ipv6(&self.tun_name)
        {
            self.log.line(sentence);
        }
        if tun_mtu(&config) != tun_mtu(&self.config)
            && let Err(failure) = self.host.tun_up(&self.tun_name, tun_mtu(&config))
        {
            self.log.line(failure);
        }
        for (address, _) in addresses(&config).filter(|address| !addresses(&self.config).any(|old| old == *address)) {
            if let Err(failure) = self.host.tun_address(address) {
                self.log.line(failure);
            }
        }
        for sentence in self.lans.prepare(&config, &mut self.host) {
            self.log.line(sentence);
        }
        self.memory.reconfigured(now);
        self.config = config.clone();
        self.input(Input::Configure(Box::new(as_served(config))), now);
    }

    fn carry_out(&mut self, now: Instant) {
        let mut ordered = false;
        // A goodbye inside the tunnel leaves before the one that closes the tunnel.
        let mut sealed = false;
        let mut refused = Vec::new();
        let mut outbox = std::mem::take(&mut self.outbox);
        // A client that learns its address must be able to use it at once, so the host is made ready before it is told.
        let (host, others): (Vec<_>, Vec<_>) = outbox.drain().partition(|output| matches!(output, Output::Host(_)));
        for output in host.into_iter().chain(others) {
            match output {
                Output::Path(update) => {
                    sealed |= matches!(update, Update::Seal { .. } | Update::SealFrame { .. });
                    ordered = true;
                    self.crew.update(update);
                }
                Output::Send { endpoint, bytes } => {
                    if std::mem::take(&mut sealed) {
                        self.crew.wait();
                    }
                    self.send(endpoint, bytes, now);
                }
                Output::Aside(update) => self.order_aside(aside::Order::Update(Box::new(update))),
                Output::Stream { stream, bytes } => self.order_aside(aside::Order::Send(stream, bytes)),
                Output::Close { stream } => self.order_aside(aside::Order::Close(stream)),
                Output::Keepalive { endpoint } => self.send_datagram(endpoint, &[wire::esp::KEEPALIVE], now),
                Output::Event(event) => self.log.tell(event.level(), event),
                Output::Host(change) => self.change_host(change),
                Output::Dhcp { lan, server, bytes } => {
                    let sent = self.lans.send((&lan, server, &bytes), &self.config, &mut self.host);
                    if let Err(Some(sentence)) = sent {
                        self.log.line(sentence);
                    }
                }
                Output::Compute(job) => {
                    let weight = weigh(job.group);
                    // The peer that is not answered sends again.
                    if let Err(job) = self.pool.offer(job, weight) {
                        self.log.line("a key exchange was put off: too many are being computed");
                        refused.push(job.ticket);
                    }
                }
                Output::Reply(reply) => self.reply = Some(reply),
            }
        }
        outbox.settle();
        self.outbox = outbox;
        if ordered {
            self.crew.ring();
        }
        for ticket in refused {
            self.input(Input::Overloaded(ticket), now);
        }
    }

    /// Hands an order to the thread of calls that ESP does not carry.
    fn order_aside(&self, order: aside::Order) {
        if let Some(aside) = &self.aside {
            aside.order(order);
            aside.ring();
        }
    }

    fn send(&mut self, endpoint: Endpoint, bytes: Vec<u8>, now: Instant) {
        if endpoint.local.port() == NAT_PORT {
            self.send_datagram(endpoint, &[&wire::esp::NON_ESP_MARKER[..], &bytes].concat(), now);
        } else {
            self.send_datagram(endpoint, &bytes, now);
        }
    }

    fn send_datagram(&mut self, endpoint: Endpoint, bytes: &[u8], now: Instant) {
        let Endpoint { local, peer } = endpoint;
        let socket = if local.port() == NAT_PORT { self.nat.as_fd() } else { self.ike.as_fd() };
        self.sender.send(socket, [Outgoing { peer, local: local.ip(), bytes }], now.0);
    }

    fn change_host(&mut self, change: HostChange) {
        match change {
            HostChange::ClientUp { address, lan } => {
                let lan = lan.and_then(|_| self.host.proxy_interface(&self.config, address));
                if let Err(failure) = self.host.client_up(address, lan.as_deref()) {
                    self.log.line(failure);
                }
            }
            HostChange::ClientDown { address } => self.host.client_down(address),
            HostChange::PrefixUp { prefix } => {
                if let Err(failure) = self.host.prefix_up(prefix) {
                    self.log.line(failure);
                }
            }
            HostChange::PrefixDown { prefix } => self.host.prefix_down(prefix),
        }
        for trouble in self.host.troubles() {
            self.log.line(trouble);
        }
    }

    /// Told once in a while: it may come and go every few seconds.
    fn tell_overload(&mut self, now: Instant) {
        if self.overload_told.is_some_and(|told| now.since(told) < TELL_OVERLOAD) {
            return;
        }
        self.overload_told = Some(now);
        self.log.line(
            "more arrives on port 4500 than one processor core can carry: who sends most loses what is too much, others \
             lose nothing; 'show status fastpath' counts it, and '--workers' takes more cores",
        );
    }

    /// Messages of IKE for which there was no room.
    fn lost_ike(&self) -> u64 {
        [&self.ike, &self.nat].into_iter().filter_map(Udp::waiting).map(|waiting| u64::from(waiting.lost)).sum()
    }

    /// One line of what was lost on the data path, if anything was.
    fn tell_losses(&self, done: &Done) {
        let path = done.totals.drops().map(|(why, count)| (why.label(), count));
        let others = [
            ("junk", done.junk),
            ("crowded_out", done.crowded_out),
            ("ike_flood", self.lost_ike()),
            ("tun_refused", done.unwritten),
            ("send_refused", done.udp.refused + done.raw.refused + done.raw6.refused + self.sender.sent().refused),
            ("lost_notes", done.totals.lost_notes),
        ];
        let losses: Vec<String> =
            path.chain(others).filter(|(_, count)| *count > 0).map(|(why, count)| format!("{why}={count}")).collect();
        if !losses.is_empty() {
            self.log.tell(Level::Debug, format_args!("packets that went no further: {}", losses.join(" ")));
        }
    }

    /// Stops the threads and puts the host back as it was.
    fn end(mut self, workers: Vec<JoinHandle<Done>>, aside_thread: Option<JoinHandle<String>>) {
        self.crew.stop();
        // A thread that fell has been told of already.
        let done: Vec<Done> = workers.into_iter().filter_map(|worker| worker.join().ok()).collect();
        self.tell_losses(&sum(&done));
        self.order_aside(aside::Order::Stop);
        let lost = aside_thread.and_then(|thread| thread.join().ok()).unwrap_or_default();
        if self.config.syslog.debug && !lost.is_empty() {
            self.log.line(format_args!("packets of other calls that went no further: {lost}"));
        }
        self.pool.stop();
        for trouble in self.host.undo() {
            self.log.line(trouble);
        }
        self.log.line("the server has stopped");
    }
}

/// How long the arithmetic of a group takes.
fn weigh(group: crypto::Group) -> Weight {
    if group.public_len() > 256 { Weight::Heavy } else { Weight::Light }
}

/// What there is to do.
struct Ready {
    ike: bool,
    nat: bool,
    bell: bool,
    signal: bool,
    /// Something came from a LAN's DHCP server.
    lan: bool,
}

/// The signals that end the server or have it read its file again, as octets in pipes.
struct Signals {
    waiting: UnixStream,
    rereading: UnixStream,
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Signalled {
    Not,
    Reload,
    Stop,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        let pair = || {
            let (waiting, writer) = UnixStream::pair()?;
            waiting.set_nonblocking(true)?;
            Ok::<_, io::Error>((waiting, writer))
        };
        let ((waiting, stop), (rereading, reread)) = (pair()?, pair()?);
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::low_level::pipe::register(signal, stop.try_clone()?)?;
        }
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGHUP, reread)?;
        Ok(Self { waiting, rereading })
    }

    /// What was asked for since the last call; to stop goes before to read again.
    fn take(&self) -> Signalled {
        let came = |mut pipe: &UnixStream| matches!(pipe.read(&mut [0; 1]), Ok(1));
        if came(&self.waiting) {
            Signalled::Stop
        } else if came(&self.rereading) {
            Signalled::Reload
        } else {
            Signalled::Not
        }
    }
}

fn open_door(path: &std::path::Path, alarm: &Alarm, desk: Arc<Desk>) -> Result<Door, Failure> {
    Door::open(path, alarm, move |stream| operator::serve(&desk, stream)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            Failure::new(format!("another server answers at {}; stop it first", path.display()))
        }
        _ => Failure::new(format!("cannot make the control socket {}: {error}", path.display())),
    })
}

fn bind<T>(port: u16, how: impl Fn(u16) -> io::Result<T>) -> Result<T, Failure> {
    how(port).map_err(|error| {
        Failure::new(match error.kind() {
            io::ErrorKind::AddrInUse => match ports::holder(port) {
                Some(holder) => format!("UDP port {port} is in use by {holder}; stop it and start this server again"),
                None => format!("UDP port {port} is in use; see with 'ss -ulpn' who holds it, and stop that"),
            },
            io::ErrorKind::PermissionDenied => {
                format!("UDP port {port} cannot be bound without root or the capability CAP_NET_BIND_SERVICE; use sudo")
            }
            _ => format!("cannot bind UDP port {port}: {error}"),
        })
    })
}

fn open_raw(workers: usize) -> Result<Vec<RawEsp>, Failure> {
    RawEsp::open_group(Family::V4, workers).map_err(|error| {
        Failure::new(match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "ESP (IP protocol 50) cannot be received without root or the capability CAP_NET_RAW; use sudo"
                    .to_owned()
            }
            _ => format!("cannot receive ESP (IP protocol 50): {error}"),
        })
    })
}

/// The device, by a queue for each data thread.
fn open_tun(workers: usize, steering: Option<OwnedFd>) -> Result<Vec<Tun>, Failure> {
    let opened = match &steering {
        Some(program) => Tun::open_queues(workers, program.as_fd()),
        None => Tun::open().map(|tun| vec![tun]),
    };
    opened.map_err(|error| {
        let device = tun::DEVICE;
        Failure::new(match error.kind() {
            io::ErrorKind::NotFound => format!(
                "{device} is missing; load it with 'modprobe tun', or give it to the container with '--device {device}'"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("{device} cannot be used without root or the capability CAP_NET_ADMIN; use sudo")
            }
            _ => format!("cannot make a TUN device: {error}"),
        })
    })
}

/// What is promised to callers of a configuration on this host as it is at this moment.
fn as_served(mut config: command::Config) -> command::Config {
    // The start has told of it, and the check of a file does.
    let _ = check::leave_out_silent_resolver(&mut config, check::has_resolver);
    config
}

/// Our own ends of links that the configuration names.
fn addresses(config: &command::Config) -> impl Iterator<Item = (Ipv4Addr, u8)> + '_ {
    std::iter::once(&config.anonymous).chain(config.pps.values()).filter_map(|pp| pp.address)
}

/// The TUN device's MTU: the largest that a client may have.
fn tun_mtu(config: &command::Config) -> u32 {
    let all = std::iter::once(&config.anonymous).chain(config.pps.values()).filter(|pp| pp.enabled);
    let largest = all.map(|pp| u32::from(pp.mtu)).max().unwrap_or(1500);
    // With less the kernel takes IPv6 off the device (RFC 8200 §5).
    if speaks_ipv6(config) { largest.max(1280) } else { largest }
}

/// Whether any client may get an IPv6 prefix.
fn speaks_ipv6(config: &command::Config) -> bool {
    let all = std::iter::once(&config.anonymous).chain(config.pps.values());
    all.filter(|pp| pp.enabled && pp.ipv6cp)
        .any(|pp| pp.prefix_pool.is_some() || pp.users.iter().any(|user| user.prefix.is_some()))
}

/// What a key pair is made from.
fn entropy() -> Option<Secret<[u8; 64]>> {
    let mut entropy = Secret::new([0; 64]);
    getrandom::fill(entropy.expose_mut()).ok()?;
    Some(entropy)
}

fn seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    match getrandom::fill(&mut seed) {
        Ok(()) => Ok(seed),
        Err(error) => Err(Failure::new(format!("the system gives no random numbers: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn a_port_in_use_is_one_sentence_with_its_remedy() {
        let holder = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        let failure = bind(port, Udp::bind).unwrap_err();
        assert!(failure.sentence.starts_with(&format!("UDP port {port} is in use")), "{failure}");
        assert!(failure.sentence.contains("stop"), "{failure}");
    }

    #[test]
    fn a_signal_is_seen_once() {
        let signals = Signals::catch().unwrap();
        assert_eq!(signals.take(), Signalled::Not);
        signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
        signal_hook::low_level::raise(signal_hook::consts::SIGTERM).unwrap();
        assert_eq!(signals.take(), Signalled::Stop);
        assert_eq!(signals.take(), Signalled::Reload);
        assert_eq!(signals.take(), Signalled::Not);
    }
}
