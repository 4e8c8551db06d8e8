//! A data thread: batch in, path, batch out; it waits for nobody but the kernel.
//!
//! A client and its packets are one thread's, as [`crate::steer`] has the kernel see to. What it gets wrong is handed on
//! through a bounded queue of each thread.

use crate::aside::{Aside, Happened};
use crate::clock;
use crate::crew::Whose;
use crate::crowd::Crowd;
use crate::fastpath::Batches;
use crate::merge::Merging;
use crate::moderation::{self, Moderation};
use crate::raw::RawEsp;
use crate::steer::shard;
use crate::tun::{LARGEST_READ, Tun};
use crate::udp::{
    BATCH, DATAGRAM, Datagram, Family, Inbox, MERGED, Outgoing, Received, Segmentation, Sender, Sent, Udp,
};
use crate::wake::{Alarm, Wake};
use engine::carrier::StreamId;
use engine::path::{
    Arrival, Coalescer, Departure, Encap, HEADROOM, Note, Out, PathState, SealedPacket, Spi, Splitter, TAILROOM,
    Totals, Update, VNET_LEN, Worker,
};
use engine::time::Instant;
use rustix::event::{Timespec, epoll};
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::esp::Encapsulated;

/// Reports that may wait for the control thread.
pub(crate) const REPORTS: usize = 2048;
/// Orders that may wait for a data thread.
pub(crate) const ORDERS: usize = 4096;
/// Packets that other data threads have handed over and that may wait for one.
pub(crate) const HANDED: usize = 1024;

/// Where packets for clients lie between the TUN and the socket, in octets.
const ARENA: usize = 384 << 10;
/// Free room that there must be for one more read: 64 KiB in segments of some 500 octets with headers before and behind.
const ROOM_FOR_READ: usize = 128 << 10;
/// Reads from the TUN in one go, so that the other direction has its turn.
const READS: usize = 64;
/// Packets begin at multiples of this, a cache line.
const LINE: usize = 64;
/// Most pieces of one write to the TUN, and the headers before them.
const PIECES: usize = 66;
/// How much later than asked for the kernel may end a rest, nanoseconds.
const SLACK: u64 = 10_000;
/// Longest nap while the control thread has no room for reports.
const NAP: Duration = Duration::from_millis(1);

/// What the control thread tells a data thread.
pub(crate) enum Order {
    /// Give up a client, and hand its packets on to another thread from here on.
    Surrender {
        /// Whose client.
        whose: Whose,
        /// The other thread's number.
        to: usize,
        /// All of the client, if there is one.
        state: SyncSender<Option<Box<PathState>>>,
    },
    /// Packets on this SA of ours are for another thread, or (`None`) no longer.
    Elsewhere(Spi, Option<usize>),
    /// Take over a client that another thread has given up.
    TakeOver(Box<PathState>),
    /// Something to know or to send.
    Update(Box<Update>),
    /// Answer when everything ordered before has been done.
    Barrier(SyncSender<()>),
    /// Tell what has been done so far.
    Tell(SyncSender<Done>),
    /// Do what has been ordered before, then end.
    Stop,
}

/// What the data thread tells the control thread.
pub(crate) enum Report {
    /// More comes in than this thread can carry; those who send most wait apart from here on.
    Overloaded,
    /// What the data path has to say.
    Note(Note),
    /// A message of IKE, without its marker, that the kernel has merged with ESP; who sent it, and to which address.
    Isakmp(Vec<u8>, SocketAddr, IpAddr),
    /// Something happened to a stream that a client has opened.
    Stream(StreamId, Happened),
    /// The TUN device cannot be read any more, and the thread has ended.
    TunGone,
}

/// What one data thread hands to another.
pub(crate) enum Handed {
    /// An IP packet of the TUN that the other has no client for, and how many threads may still look for one.
    Packet(Vec<u8>, usize),
    /// A packet of ESP on an SA that has gone over to the other.
    Esp {
        /// The packet.
        bytes: Vec<u8>,
        /// Who sent it, and to which address of ours, where that is told.
        place: (SocketAddr, Option<IpAddr>),
        /// How it came.
        encap: Encap,
    },
}

/// The way to another data thread.
#[derive(Clone)]
pub(crate) struct Mate {
    /// What it is handed; when there is no room, that is lost like anything on a network.
    pub(crate) handed: SyncSender<Handed>,
    /// Rings when there is something.
    pub(crate) bell: Arc<Wake>,
}

/// Everything a data thread touches.
pub(crate) struct Links {
    /// Its number, and all data threads in the order of their numbers.
    pub(crate) number: usize,
    pub(crate) mates: Vec<Mate>,
    /// What the others hand to it.
    pub(crate) handed: Receiver<Handed>,
    /// ESP on port 4500, and that of clients who send too much; and what it is sent on.
    pub(crate) udp: Udp,
    pub(crate) crowd: Crowd,
    pub(crate) out: Udp,
    /// ESP without UDP, over IPv4 and, where the host has it, over IPv6.
    pub(crate) raw: RawEsp,
    pub(crate) raw6: Option<RawEsp>,
    /// The clients' packets in the clear.
    pub(crate) tun: Tun,
    /// From the control thread.
    pub(crate) orders: Receiver<Order>,
    /// Rings when there are orders.
    pub(crate) bell: Arc<Wake>,
    /// To the control thread.
    pub(crate) reports: SyncSender<Report>,
    /// To be rung when there are reports.
    pub(crate) control_bell: Arc<Wake>,
    /// Where packets go that no client here has the address of.
    pub(crate) aside: Option<Aside>,
}

/// What a data thread has done, told at its end and when it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    /// The IP packets that passed each of the threads that have done it.
    pub(crate) shares: Vec<u64>,
    /// The data path's sums.
    pub(crate) totals: Totals,
    /// Packets sent in UDP.
    pub(crate) udp: Sent,
    /// Packets sent as IP protocol 50, over IPv4 and IPv6.
    pub(crate) raw: Sent,
    pub(crate) raw6: Sent,
    /// Datagrams on port 4500 that were neither ESP nor IKE.
    pub(crate) junk: u64,
    /// Datagrams of ESP that found no room at port 4500.
    pub(crate) crowded_out: u64,
    /// Messages of IKE that found no room at either port; the control thread's to tell.
    pub(crate) ike_lost: u64,
    /// Packets that the TUN did not take.
    pub(crate) unwritten: u64,
    /// Whether the TUN takes and gives super-packets of UDP.
    pub(crate) segments_udp: bool,
    /// Whether a socket of port 4500 merges, on any thread.
    pub(crate) merges: bool,
    /// Whether a thread lets packets gather.
    pub(crate) moderates: bool,
    /// Datagrams received on port 4500.
    pub(crate) received_udp: Batches,
    /// Packets received as IP protocol 50.
    pub(crate) received_raw: Batches,
    /// Packets written to the TUN.
    pub(crate) written: Batches,
    /// Packets read from the TUN.
    pub(crate) read: Batches,
}

impl Done {
    /// Counts what another thread has done, too.
    pub(crate) fn add(&mut self, other: &Self) {
        self.shares.extend(&other.shares);
        self.totals.add(&other.totals);
        for (sent, more) in [(&mut self.udp, other.udp), (&mut self.raw, other.raw), (&mut self.raw6, other.raw6)] {
            sent.add(more);
        }
        self.junk += other.junk;
        self.crowded_out += other.crowded_out;
        self.unwritten += other.unwritten;
        self.segments_udp |= other.segments_udp;
        self.merges |= other.merges;
        self.moderates |= other.moderates;
        for (batches, more) in [
            (&mut self.received_udp, other.received_udp),
            (&mut self.received_raw, other.received_raw),
            (&mut self.written, other.written),
            (&mut self.read, other.read),
        ] {
            batches.merge(more);
        }
    }
}

/// Starts the thread.
pub(crate) fn start(worker: Worker, links: Links, alarm: &Alarm) -> io::Result<JoinHandle<Done>> {
    let name = if links.number == 0 { "data".to_owned() } else { format!("data-{}", links.number + 1) };
    let thread = DataThread::new(worker, links)?;
    let watch = alarm.watch("data");
    std::thread::Builder::new().name(name).spawn(move || {
        let _watch = watch;
        thread.run()
    })
}

/// Which of the links have something to read.
#[derive(Clone, Copy, Default)]
struct Ready {
    udp: bool,
    raw: bool,
    raw6: bool,
    tun: bool,
    bell: bool,
    crowd: bool,
}

/// Whether the thread goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

struct DataThread {
    worker: Worker,
    links: Links,
    epoll: OwnedFd,
    inbox: Inbox,
    /// Of the first socket of port 4500, and of the second.
    merging: [Merging; 2],
    moderation: Moderation,
    /// Packets of this turn so far.
    moved: usize,
    udp_sender: Sender,
    raw_sender: Sender,
    raw6_sender: Sender,
    coalescer: Coalescer,
    splitter: Splitter,
    read: Box<[u8]>,
    arena: Box<[u8]>,
    /// Empty between batches; kept for their memory.
    arrivals: Vec<Arrival<'static>>,
    departures: Vec<Departure<'static>>,
    sealed: Vec<SealedPacket>,
    /// A note for which the control thread had no room.
    waiting: Option<Report>,
    /// Packets for clients that other threads have handed over, and how many threads may still look at each.
    handed: Vec<(Vec<u8>, usize)>,
    /// SAs of clients that have gone over to other threads.
    elsewhere: BTreeMap<u32, usize>,
    done: Done,
}

impl DataThread {
    fn new(worker: Worker, links: Links) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let crowd = links.crowd.second().as_fd();
        let watched = [links.udp.as_fd(), links.raw.as_fd(), links.tun.as_fd(), links.bell.as_fd(), crowd];
        for (number, fd) in (0..).zip(watched.into_iter().chain(links.raw6.as_ref().map(AsFd::as_fd))) {
            epoll::add(&epoll, fd, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?;
        }
        let coalescer = Coalescer::new(links.tun.segments_udp());
        let family = links.udp.family();
        Ok(Self {
            worker,
            links,
            epoll,
            inbox: Inbox::new(BATCH, DATAGRAM),
            merging: Default::default(),
            moderation: Moderation::default(),
            moved: 0,
            udp_sender: Sender::new(Segmentation::Offload, family),
            raw_sender: Sender::new(Segmentation::Never, Family::V4),
            raw6_sender: Sender::new(Segmentation::Never, Family::V6),
            coalescer,
            splitter: Splitter::default(),
            read: vec![0; LARGEST_READ].into(),
            arena: vec![0; ARENA].into(),
            arrivals: Vec::with_capacity(BATCH),
            departures: Vec::with_capacity(256),
            sealed: Vec::with_capacity(BATCH),
            waiting: None,
            handed: Vec::new(),
            elsewhere: BTreeMap::new(),
            done: Done::default(),
        })
    }

    /// Each turn gives every link one batch, so that none starves the others.
    fn run(mut self) -> Done {
        // With the kernel's own slack, rests are only longer.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(SLACK));
        let mut next = Next::GoOn;
        while next == Next::GoOn {
            let ready = self.wait();
            let now = clock::now();
            self.moved = 0;
            if ready.bell {
                self.links.bell.hush();
                next = self.obey(now);
                self.take_handed(now);
            }
            let (udp, crowd) = self.links.crowd.turn(&self.links.udp, (ready.udp, ready.crowd), now);
            let links = [(udp, Link::Udp), (crowd, Link::Crowd), (ready.raw, Link::Raw), (ready.raw6, Link::Raw6)];
            for (ready, link) in links {
                if ready && next == Next::GoOn {
                    next = self.inbound(link, now);
                }
            }
            if (ready.tun || !self.handed.is_empty()) && self.outbound(now) == Next::Stop {
                // Somebody took the device away. If the control thread is gone, too, nobody has to know.
                let _ = self.links.reports.send(Report::TunGone);
                self.links.control_bell.ring();
                next = Next::Stop;
            }
            if self.worker.poll_timeout().is_some_and(|due| now.reached(due)) {
                self.worker.handle_timeout(now);
            }
            self.write_replies();
            self.report_notes();
            self.moderation.had(self.moved, now);
        }
        self.done_so_far()
    }

    fn done_so_far(&self) -> Done {
        let totals = self.worker.totals();
        Done {
            shares: vec![totals.ip.in_packets + totals.ip.out_packets],
            totals,
            udp: self.udp_sender.sent(),
            raw: self.raw_sender.sent(),
            raw6: self.raw6_sender.sent(),
            segments_udp: self.links.tun.segments_udp(),
            merges: self.merging.iter().any(Merging::is_on),
            moderates: self.moderation.is_on(),
            crowded_out: [&self.links.udp, self.links.crowd.second()]
                .into_iter()
                .filter_map(Udp::waiting)
                .map(|waiting| u64::from(waiting.lost))
                .sum(),
            ..self.done.clone()
        }
    }

    fn wait(&self) -> Ready {
        if self.moderation.rests() {
            std::thread::sleep(moderation::REST);
        }
        let longest = self.worker.poll_timeout().map(|due| due.since(clock::now()));
        let longest = if self.waiting.is_some() { Some(longest.unwrap_or(NAP).min(NAP)) } else { longest };
        let timeout = longest.map(|longest| Timespec {
            tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(longest.subsec_nanos()),
        });
        let nothing = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(u64::MAX) };
        let mut events = [nothing; 6];
        // Interrupted by a signal: nothing is ready, and the loop comes back.
        let count = epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()).unwrap_or(0);
        let mut ready = Ready::default();
        for event in events.iter().take(count) {
            match event.data.u64() {
                0 => ready.udp = true,
                1 => ready.raw = true,
                2 => ready.tun = true,
                3 => ready.bell = true,
                4 => ready.crowd = true,
                _ => ready.raw6 = true,
            }
        }
        ready
    }

    /// Takes in what has been ordered, and sends what was to be sealed.
    fn obey(&mut self, now: Instant) -> Next {
        let mut next = Next::GoOn;
        while next == Next::GoOn {
            match self.links.orders.try_recv() {
                Ok(Order::Update(update)) => {
                    self.worker.apply(*update, now);
                    while let Some(packet) = self.worker.poll_sealed() {
                        self.sealed.push(packet);
                    }
                    if self.sealed.len() >= BATCH {
                        self.send_sealed(now);
                    }
                }
                Ok(Order::Surrender { whose, to, state }) => {
                    // Who asked may have stopped waiting; then the client has to come again.
                    let _ = state.try_send(self.surrender(whose, to, now).map(Box::new));
                }
                Ok(Order::Elsewhere(spi, Some(to))) => drop(self.elsewhere.insert(spi.0, to)),
                Ok(Order::Elsewhere(spi, None)) => drop(self.elsewhere.remove(&spi.0)),
                Ok(Order::TakeOver(state)) => self.worker.restore(*state, 0),
                Ok(Order::Barrier(done)) => {
                    self.send_sealed(now);
                    // Who asked may have stopped waiting.
                    let _ = done.try_send(());
                }
                Ok(Order::Tell(told)) => {
                    // Who asked may have stopped waiting.
                    let _ = told.try_send(self.done_so_far());
                }
                Ok(Order::Stop) => next = Next::Stop,
                Err(_) => break,
            }
        }
        self.send_sealed(now);
        next
    }

    /// Gives up a client whole: nothing is sent or received for it here any more.
    fn surrender(&mut self, whose: Whose, to: usize, now: Instant) -> Option<PathState> {
        self.send_sealed(now);
        let client = match whose {
            Whose::Client(client) => client,
            Whose::Sa(spi) => self.worker.owner_of(spi)?,
        };
        let state = self.worker.snapshot(client)?;
        // Packets on others, which came here from where they first arrive, go straight to the other thread from here on.
        let ours = state.inbound.iter().map(|sa| sa.spi.0).filter(|spi| self.is_first_here(*spi));
        self.elsewhere.extend(ours.map(|spi| (spi, to)).collect::<Vec<_>>());
        self.worker.apply(Update::Gone { client }, now);
        Some(state)
    }

    /// Whether packets on an SA come to this thread first.
    fn is_first_here(&self, spi: u32) -> bool {
        shard(spi, self.links.mates.len()) == self.links.number
    }

    /// Takes in what other data threads have handed over, a batch at most.
    fn take_handed(&mut self, now: Instant) {
        let mut packets = Vec::new();
        for _ in 0..BATCH {
            match self.links.handed.try_recv() {
                Ok(Handed::Packet(packet, left)) => self.handed.push((packet, left)),
                Ok(Handed::Esp { bytes, place, encap }) => packets.push((bytes, place, encap)),
                Err(_) => break,
            }
        }
        if self.handed.len() + packets.len() == BATCH {
            // There may be more, but others come first.
            self.links.bell.ring();
        }
        if !packets.is_empty() {
            let arrivals = packets.iter_mut();
            let arrivals = arrivals.map(|(bytes, (peer, local), encap)| Arrival::new(bytes, *peer, *local, *encap));
            let mut arrivals: Vec<Arrival<'_>> = arrivals.collect();
            self.worker.inbound(&mut arrivals, now);
            write_inward(&mut arrivals, &mut self.coalescer, &self.links.tun, &mut self.done);
        }
    }

    /// One batch from a socket to the TUN.
    fn inbound(&mut self, link: Link, now: Instant) -> Next {
        let [first, second] = &self.merging;
        let merged = (link == Link::Udp && first.is_on()) || (link == Link::Crowd && second.is_on());
        let received = match link {
            Link::Udp if first.is_on() => self.inbox.receive_merged(self.links.udp.as_fd()),
            Link::Udp => self.inbox.receive(self.links.udp.as_fd()),
            Link::Crowd if second.is_on() => self.inbox.receive_merged(self.links.crowd.second().as_fd()),
            Link::Crowd => self.inbox.receive(self.links.crowd.second().as_fd()),
            Link::Raw => self.inbox.receive(self.links.raw.as_fd()),
            Link::Raw6 => self.links.raw6.as_ref().map_or(Ok(0), |raw6| self.inbox.receive(raw6.as_fd())),
        };
        // What cannot be received is lost like anything on a network.
        let datagrams = received.unwrap_or(0);
        if datagrams == 0 {
            return Next::GoOn;
        }
        // Orders come after receiving and before opening: what a packet depends on was ordered before it was caused.
        let next = self.obey(now);
        let is_full = datagrams == if merged { MERGED } else { BATCH };
        let mut received = Received { datagrams, packets: datagrams, is_full };
        if matches!(link, Link::Raw | Link::Raw6) {
            self.done.received_raw.add(datagrams);
        }
        let mut arrivals: Vec<Arrival<'_>> = std::mem::take(&mut self.arrivals);
        let raw = |packet| arrival(packet, Encap::Raw);
        match link {
            Link::Udp | Link::Crowd => {
                let mut packets = 0;
                let mut tell = None;
                for datagram in self.inbox.datagrams() {
                    packets += 1;
                    match wire::esp::classify(datagram.bytes) {
                        Encapsulated::Esp => arrivals.push(arrival(datagram, Encap::Udp)),
                        Encapsulated::Keepalive => {}
                        // The kernel gives the control thread what is of IKE, but where it comes merged with ESP.
                        Encapsulated::Isakmp(message) => {
                            let local = datagram.local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                            let message = Report::Isakmp(message.to_vec(), datagram.peer, local);
                            // Without room it is lost, as at a socket that is full.
                            tell = self.links.reports.try_send(message).ok().or(tell);
                        }
                        Encapsulated::Junk => self.done.junk += 1,
                    }
                }
                self.done.received_udp.add(packets);
                received.packets = packets;
                let spis = arrivals.iter().filter_map(spi_of);
                let crowd = &mut self.links.crowd;
                if link == Link::Crowd {
                    crowd.second_had(received, now);
                } else if crowd.first_had(&self.links.udp, received, spis) {
                    tell = self.links.reports.try_send(Report::Overloaded).ok().or(tell);
                }
                if tell.is_some() {
                    self.links.control_bell.ring();
                }
            }
            Link::Raw => arrivals.extend(self.links.raw.packets(&mut self.inbox).map(raw)),
            Link::Raw6 => {
                if let Some(link) = &self.links.raw6 {
                    arrivals.extend(link.packets(&mut self.inbox).map(raw));
                }
            }
        }
        self.moved += received.packets;
        if !self.elsewhere.is_empty() {
            hand_over(&mut arrivals, &self.elsewhere, &self.links.mates);
        }
        self.worker.inbound(&mut arrivals, now);
        write_inward(&mut arrivals, &mut self.coalescer, &self.links.tun, &mut self.done);
        arrivals.clear();
        self.arrivals = emptied(arrivals, |_| None);
        let [first, second] = &mut self.merging;
        let merges_no_longer = match link {
            Link::Udp => first.had(&self.links.udp, received, now),
            Link::Crowd => second.had(self.links.crowd.second(), received, now),
            Link::Raw | Link::Raw6 => false,
        };
        if merges_no_longer {
            self.inbox.merge_no_longer();
        }
        next
    }

    /// One batch from the TUN, and from other data threads, to the sockets.
    fn outbound(&mut self, now: Instant) -> Next {
        let mut next = Next::GoOn;
        let mut departures: Vec<Departure<'_>> = std::mem::take(&mut self.departures);
        let mut free: &mut [u8] = &mut self.arena;
        for (packet, _) in &self.handed {
            let length = packet.len();
            if let Some(slot) = take_slot(&mut free, HEADROOM + length + TAILROOM) {
                slot[HEADROOM..HEADROOM + length].copy_from_slice(packet);
                departures.push(Departure::new(slot, HEADROOM, length));
            } else {
                break;
            }
        }
        self.handed.truncate(departures.len());
        for _ in 0..READS {
            if free.len() < ROOM_FOR_READ {
                break;
            }
            let Ok(length) = self.links.tun.read(&mut self.read) else {
                next = Next::Stop;
                break;
            };
            if length == 0 {
                break;
            }
            // What cannot be understood is counted by the splitter.
            let split = self.splitter.split(&self.read[..length], |segment| {
                let length = segment.len();
                let Some(slot) = take_slot(&mut free, HEADROOM + length + TAILROOM) else {
                    return false;
                };
                let written = segment.write(&mut slot[HEADROOM..HEADROOM + length]);
                if written {
                    departures.push(Departure::new(slot, HEADROOM, length));
                }
                written
            });
            self.done.read.add(split.unwrap_or(0));
        }
        self.moved += departures.len();
        if !departures.is_empty() {
            self.worker.outbound(&mut departures, now);
            let found = self.links.hand_on(&departures, &self.handed);
            if found > 0 {
                self.worker.found_elsewhere(found);
            }
            let of = |link| departures.iter().filter_map(move |departure| outgoing(departure, link));
            self.udp_sender.send(self.links.out.as_fd(), of(Link::Udp), now.0);
            self.raw_sender.send(self.links.raw.as_fd(), of(Link::Raw), now.0);
            if let Some(raw6) = &self.links.raw6 {
                self.raw6_sender.send(raw6.as_fd(), of(Link::Raw6), now.0);
            }
        }
        self.handed.clear();
        departures.clear();
        self.departures = emptied(departures, |_| None);
        while let Some(packet) = self.worker.poll_sealed() {
            self.sealed.push(packet);
        }
        self.send_sealed(now);
        next
    }

    /// Sends control messages and fragments that have been sealed.
    fn send_sealed(&mut self, now: Instant) {
        if self.sealed.is_empty() {
            return;
        }
        let packets = |link| {
            let ours = self.sealed.iter().filter(move |packet| Link::of(packet.encap, packet.peer) == link);
            ours.map(move |packet| packet_to(&packet.bytes, packet.peer, packet.local, link))
        };
        self.udp_sender.send(self.links.out.as_fd(), packets(Link::Udp), now.0);
        self.raw_sender.send(self.links.raw.as_fd(), packets(Link::Raw), now.0);
        if let Some(raw6) = &self.links.raw6 {
            self.raw6_sender.send(raw6.as_fd(), packets(Link::Raw6), now.0);
        }
        for packet in self.sealed.drain(..) {
            self.worker.recycle(packet.bytes);
        }
    }

    /// Writes the ICMP messages that the path has for hosts on this side.
    fn write_replies(&mut self) {
        while let Some(packet) = self.worker.poll_reply() {
            if self.links.tun.write(&[IoSlice::new(&[0; VNET_LEN]), IoSlice::new(&packet)]).is_err() {
                self.done.unwritten += 1;
            }
        }
    }

    /// Hands notes to the control thread while it has room.
    fn report_notes(&mut self) {
        let mut told = false;
        while let Some(report) = self.waiting.take().or_else(|| self.worker.poll_note().map(Report::Note)) {
            match self.links.reports.try_send(report) {
                Ok(()) => told = true,
                Err(TrySendError::Full(report)) => {
                    self.waiting = Some(report);
                    break;
                }
                // The control thread is gone, and the end is near.
                Err(TrySendError::Disconnected(_)) => break,
            }
        }
        if told {
            self.links.control_bell.ring();
        }
    }
}

/// A vector of the same memory for a batch of another lifetime; `none` never sees anything.
fn emptied<A, B>(batch: Vec<A>, none: impl FnMut(A) -> Option<B>) -> Vec<B> {
    // The library collects in place where the layouts agree, as two lifetimes of one type do.
    batch.into_iter().filter_map(none).collect()
}

/// Where a packet of ESP comes from and leaves to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    Udp,
    /// In UDP, of an SA that is apart; it is answered as any other.
    Crowd,
    Raw,
    Raw6,
}

impl Link {
    fn of(encap: Encap, peer: SocketAddr) -> Self {
        match (encap, peer) {
            (Encap::Udp, _) => Self::Udp,
            (Encap::Raw, SocketAddr::V4(_)) => Self::Raw,
            (Encap::Raw, SocketAddr::V6(_)) => Self::Raw6,
        }
    }
}

fn arrival<'a>(datagram: Datagram<'a>, encap: Encap) -> Arrival<'a> {
    Arrival::new(datagram.bytes, datagram.peer, datagram.local, encap)
}

fn outgoing<'a>(departure: &'a Departure<'_>, wanted: Link) -> Option<Outgoing<'a>> {
    match &departure.result {
        Out::Sealed { peer, local, encap, .. } if Link::of(*encap, *peer) == wanted => {
            Some(packet_to(departure.esp()?, *peer, *local, wanted))
        }
        _ => None,
    }
}

fn packet_to(bytes: &[u8], mut peer: SocketAddr, local: IpAddr, link: Link) -> Outgoing<'_> {
    if link != Link::Udp {
        // A raw socket of IPv6 takes the port for a protocol.
        peer.set_port(0);
    }
    Outgoing { peer, local, bytes }
}

impl Links {
    /// Hands packets without a client here to the next data thread, and those that all have seen to the thread of calls that
    /// ESP does not carry; says how many were taken.
    ///
    /// The first departures are those that were handed to this thread, the others were read here.
    fn hand_on(&self, departures: &[Departure<'_>], handed: &[(Vec<u8>, usize)]) -> u64 {
        if self.aside.is_none() && self.mates.len() <= 1 {
            return 0;
        }
        let next = self.mates.get((self.number + 1) % self.mates.len().max(1));
        let (mut to_next, mut to_aside) = (0, 0);
        for (place, departure) in departures.iter().enumerate() {
            if departure.result != Out::Dropped(engine::path::Drop::NoClient) {
                continue;
            }
            let Some(packet) = departure.buf.get(departure.start..departure.start + departure.len) else { continue };
            let left = handed.get(place).map_or_else(|| self.mates.len().saturating_sub(1), |(_, left)| *left);
            match (next, &self.aside) {
                (Some(next), _) if left > 0 => {
                    to_next += u64::from(next.handed.try_send(Handed::Packet(packet.to_vec(), left - 1)).is_ok());
                }
                (_, Some(aside)) => to_aside += u64::from(aside.offer(packet)),
                _ => {}
            }
        }
        if let Some(next) = next.filter(|_| to_next > 0) {
            next.bell.ring();
        }
        if let Some(aside) = self.aside.as_ref().filter(|_| to_aside > 0) {
            aside.ring();
        }
        to_next + to_aside
    }
}

fn spi_of(arrival: &Arrival<'_>) -> Option<u32> {
    arrival.bytes.first_chunk().map(|spi| u32::from_be_bytes(*spi))
}

/// Hands packets on SAs that have gone over to other data threads to those, and leaves the others.
fn hand_over(arrivals: &mut Vec<Arrival<'_>>, elsewhere: &BTreeMap<u32, usize>, mates: &[Mate]) {
    arrivals.retain(|arrival| {
        let Some(mate) = spi_of(arrival).and_then(|spi| elsewhere.get(&spi)).and_then(|number| mates.get(*number))
        else {
            return true;
        };
        let (bytes, place) = (arrival.bytes.to_vec(), (arrival.peer, arrival.local));
        if mate.handed.try_send(Handed::Esp { bytes, place, encap: arrival.encap }).is_ok() {
            mate.bell.ring();
        }
        false
    });
}

/// Writes to the TUN what has come out of a batch.
fn write_inward(arrivals: &mut [Arrival<'_>], coalescer: &mut Coalescer, tun: &Tun, done: &mut Done) {
    coalescer.coalesce(arrivals);
    for of in coalescer.supers() {
        done.written.add(coalescer.pieces(of).len());
    }
    done.unwritten += write_supers(tun, coalescer, arrivals);
}

/// Cuts a slot off the free room; the next one begins on a cache line of its own.
fn take_slot<'a>(free: &mut &'a mut [u8], length: usize) -> Option<&'a mut [u8]> {
    let padded = length.next_multiple_of(LINE);
    if padded > free.len() {
        return None;
    }
    let (slot, rest) = std::mem::take(free).split_at_mut(padded);
    *free = rest;
    slot.get_mut(..length)
}

/// Writes super-packets, and says how many the TUN did not take.
fn write_supers(tun: &Tun, coalescer: &Coalescer, arrivals: &mut [Arrival<'_>]) -> u64 {
    let mut unwritten = 0;
    for whole in coalescer.supers() {
        // A packet that goes alone needs no list of pieces: of a thousand clients hardly two packets are joined.
        if let ([alone], []) = (coalescer.pieces(whole), whole.headers())
            && let Some(packet) = arrivals.get_mut(alone.packet).and_then(Arrival::ip_behind_vnet)
        {
            unwritten += u64::from(tun.write_whole(packet).is_err());
            continue;
        }
        let mut parts = [IoSlice::new(&[]); PIECES];
        let mut used = 0;
        let pieces = coalescer.pieces(whole).iter();
        let pieces = pieces.filter_map(|piece| arrivals.get(piece.packet)?.ip()?.get(piece.range.clone()));
        let all = [whole.vnet(), whole.headers()].into_iter().chain(pieces).filter(|part| !part.is_empty());
        for (place, part) in parts.iter_mut().zip(all) {
            *place = IoSlice::new(part);
            used += 1;
        }
        if tun.write(&parts[..used]).is_err() {
            unwritten += 1;
        }
    }
    unwritten
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::crowd;
    use crate::udp::Group;

    use crypto::Secret;
    use crypto::esp::{EspAuth, EspCipher, Ivs, Open, OpenError, OpenKey, Seal, SealKey, Suite, open, seal};
    use engine::path::{ClientId, ReplayState, SessionPath};
    use std::io::Read;
    use std::net::UdpSocket;
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc::sync_channel;

    const SUITE: Suite = Suite { cipher: EspCipher::Aes128, auth: EspAuth::HmacSha1_96 };
    const CLIENT: ClientId = ClientId(1);
    const OURS: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);
    const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 9);
    /// UDP from port 1701 to port 1701, an L2TP data header and PPP, as the client of these tests has them.
    const HEADERS: [u8; 18] = [6, 165, 6, 165, 0, 0, 0, 0, 0, 2, 0, 2, 0, 9, 0xff, 3, 0, 0x21];

    /// Ends the process that holds a network namespace.
    struct Namespace(Child);

    impl Drop for Namespace {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Moves this thread into a network namespace of its own; `None` where the rights or the tools for it are missing.
    fn enter_a_namespace() -> Option<Namespace> {
        let script = "ip link set lo up && echo ready && exec sleep 30";
        let command = ["--net", "sh", "-c", script];
        let child = Command::new("unshare").args(command).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut namespace = Namespace(child);
        namespace.0.stdout.as_mut()?.read_exact(&mut [0; 6]).ok()?;
        let file = std::fs::File::open(format!("/proc/{}/ns/net", namespace.0.id())).ok()?;
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(file.as_fd(), kind).ok()?;
        Some(namespace)
    }

    fn keymat() -> Vec<u8> {
        (0..36).collect()
    }

    /// A data thread with one client at `peer`; so many datagrams wait for it when it starts.
    fn data_thread(
        peer: SocketAddr,
        encap: Encap,
        waiting: usize,
    ) -> (SyncSender<Order>, Arc<Wake>, Receiver<Report>, JoinHandle<Done>, Udp) {
        let tun = Tun::open().unwrap();
        let name = tun.name().to_owned();
        for words in [&["addr", "add", "10.98.0.1/24", "dev", &name][..], &["link", "set", &name, "up", "mtu", "1400"]]
        {
            assert!(Command::new("ip").args(words).status().unwrap().success());
        }
        let (orders, from_control) = sync_channel(ORDERS);
        let (to_control, reports) = sync_channel(REPORTS);
        let (bell, control_bell) = (Arc::new(Wake::new().unwrap()), Arc::new(Wake::new().unwrap()));
        let alarm = Alarm::new(control_bell.clone());
        let Group { mut firsts, control, mut seconds, mut outs } = Udp::bind_group(4500, 1).unwrap();
        let links = Links {
            number: 0,
            mates: Vec::new(),
            handed: sync_channel(1).1,
            udp: firsts.remove(0),
            crowd: Crowd::new(0, seconds.remove(0), crowd::lists(1)),
            out: outs.remove(0),
            raw: RawEsp::open(Family::V4).unwrap(),
            raw6: None,
            tun,
            orders: from_control,
            bell: bell.clone(),
            reports: to_control,
            control_bell,
            aside: None,
        };
        for _ in 0..waiting {
            UdpSocket::bind("127.0.0.3:0").unwrap().send_to(&[9; 24], "127.0.0.1:4500").unwrap();
        }
        let thread = start(Worker::new([7; 32]), links, &alarm).unwrap();
        let session = SessionPath {
            client: CLIENT,
            local_tunnel_id: 2,
            local_session_id: 9,
            peer_tunnel_id: 2,
            peer_session_id: 9,
            peer_port: 1701,
            address: THEIRS,
            our_address: OURS,
            mru: 1400,
            mtu: 1400,
            mss: None,
            acfc: false,
            pfc: false,
            length_bit: false,
            sequencing: false,
            ipv6: None,
        };
        let (spi, keymat) = (Spi(0x1000), Secret::new(keymat()));
        let (client, suite, replay) = (CLIENT, SUITE, ReplayState::default());
        let outbound = (Spi(0x2000), keymat.clone());
        for update in [
            Update::InstallInbound { client, spi, suite, keymat, anti_replay: true, replay, encap },
            Update::InstallOutbound {
                client,
                spi: outbound.0,
                suite,
                keymat: outbound.1,
                first_sequence: 1,
                active: true,
                paired: spi,
            },
            Update::Peer { client, peer, local: Ipv4Addr::LOCALHOST.into(), encap },
            Update::Session(session),
        ] {
            assert!(orders.send(Order::Update(Box::new(update))).is_ok());
        }
        bell.ring();
        (orders, bell, reports, thread, control)
    }

    /// A datagram of the client inside the tunnel, sealed.
    fn sealed(sequence: u32, port: u16, text: &[u8]) -> Vec<u8> {
        let length = (28 + text.len()) as u16;
        let mut ip = vec![0x45, 0];
        ip.extend(length.to_be_bytes());
        ip.extend([0, 1, 0, 0, 64, 17, 0, 0]);
        ip.extend(THEIRS.octets());
        ip.extend(OURS.octets());
        let checksum = wire::ip::checksum(&ip);
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        ip.extend([0x30, 0x39]);
        ip.extend(port.to_be_bytes());
        ip.extend((length - 20).to_be_bytes());
        ip.extend([0, 0]);
        ip.extend(text);
        let payload_len = HEADERS.len() + ip.len();
        let mut packet = vec![0; SUITE.padded_len(payload_len)];
        packet[..4].copy_from_slice(&0x1000u32.to_be_bytes());
        packet[4..8].copy_from_slice(&sequence.to_be_bytes());
        packet[24..24 + HEADERS.len()].copy_from_slice(&HEADERS);
        packet[28..30].copy_from_slice(&(payload_len as u16).to_be_bytes());
        packet[24 + HEADERS.len()..24 + payload_len].copy_from_slice(&ip);
        let key = SealKey::new(SUITE, &keymat()).unwrap();
        seal(&mut [Seal { key: &key, packet: &mut packet, payload_len, next_header: 17 }], &mut Ivs::new([1; 32]));
        packet
    }

    /// What stands inside an ESP packet.
    fn opened(packet: &mut [u8]) -> Vec<u8> {
        let key = OpenKey::new(SUITE, &keymat()).unwrap();
        let mut batch = [Open { key: &key, packet, result: Err(OpenError::NotTried) }];
        open(&mut batch);
        let [Open { packet, result, .. }] = batch;
        let place = result.unwrap();
        packet[place.start..place.start + place.len].to_vec()
    }

    fn go_both_ways(encap: Encap) {
        let Some(_namespace) = enter_a_namespace() else {
            eprintln!("skipped: needs root, 'unshare' and 'ip'");
            return;
        };
        let client = UdpSocket::bind("127.0.0.2:0").unwrap();
        let raw = RawEsp::open(Family::V4).unwrap();
        let (orders, bell, reports, thread, control) = data_thread(client.local_addr().unwrap(), encap, 0);
        let host = UdpSocket::bind((OURS, 0)).unwrap();
        let patience = Some(Duration::from_secs(5));
        host.set_read_timeout(patience).unwrap();
        client.set_read_timeout(patience).unwrap();
        let port = host.local_addr().unwrap().port();
        // A barrier: the client is known.
        let (done, wait) = sync_channel(1);
        assert!(orders.send(Order::Barrier(done)).is_ok());
        bell.ring();
        wait.recv().unwrap();

        let packet = sealed(1, port, b"inward");
        let mut buffer = [0; 2048];
        match encap {
            Encap::Udp => {
                client.send_to(&[0xff], "127.0.0.1:4500").unwrap();
                client.send_to(&packet, "127.0.0.1:4500").unwrap();
                client.send_to(&[0, 0, 0, 0, 1, 2, 3], "127.0.0.1:4500").unwrap();
            }
            Encap::Raw => {
                let to = "127.0.0.1:0".parse().unwrap();
                let packet = Outgoing { peer: to, local: IpAddr::from([127, 0, 0, 2]), bytes: &packet };
                Sender::new(Segmentation::Never, Family::V4).send(raw.as_fd(), [packet], 0);
            }
        }
        let (length, from) = host.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from.ip()), (&b"inward"[..], IpAddr::V4(THEIRS)));

        host.send_to(b"outward", (THEIRS, 12345)).unwrap();
        let mut packet = match encap {
            Encap::Udp => {
                let length = client.recv(&mut buffer).unwrap();
                buffer[..length].to_vec()
            }
            Encap::Raw => {
                let mut inbox = Inbox::new(1, DATAGRAM);
                loop {
                    // The socket is not blocking, and hears what this test sent to the server as well.
                    inbox.receive(raw.as_fd()).unwrap();
                    let got = raw.packets(&mut inbox).next().map(|packet| packet.bytes.to_vec());
                    if let Some(packet) = got.filter(|packet| packet[..4] == 0x2000u32.to_be_bytes()) {
                        break packet;
                    }
                }
            }
        };
        assert_eq!(packet[..4], 0x2000u32.to_be_bytes());
        assert!(opened(&mut packet).ends_with(b"outward"));

        assert!(orders.send(Order::Stop).is_ok());
        bell.ring();
        let done = thread.join().unwrap();
        assert_eq!((done.totals.ip.in_packets, done.totals.ip.out_packets), (1, 1));
        assert_eq!(reports.iter().filter(|report| !matches!(report, Report::Note(_))).count(), 0);
        let mut inbox = Inbox::new(2, DATAGRAM);
        inbox.receive(control.as_fd()).unwrap();
        let isakmp: Vec<Vec<u8>> = inbox.datagrams().map(|datagram| datagram.bytes.to_vec()).collect();
        assert_eq!(isakmp, if encap == Encap::Udp { vec![vec![0, 0, 0, 0, 1, 2, 3]] } else { vec![] });
    }

    #[test]
    fn packets_pass_both_ways_inside_udp_and_ike_is_left_to_the_control_thread() {
        std::thread::spawn(|| go_both_ways(Encap::Udp)).join().unwrap();
    }

    #[test]
    fn what_the_kernel_merges_is_told_apart_and_ike_among_it_reaches_the_control_thread() {
        let merged = std::thread::spawn(|| {
            let Some(_namespace) = enter_a_namespace() else { return };
            let client = UdpSocket::bind("127.0.0.2:0").unwrap();
            let from = client.local_addr().unwrap();
            let (orders, bell, reports, thread, control) = data_thread(from, Encap::Udp, BATCH);
            let done_so_far = || {
                let (told, wait) = sync_channel(1);
                assert!(orders.send(Order::Tell(told)).is_ok());
                bell.ring();
                wait.recv().unwrap()
            };
            let until = |there: &dyn Fn(Done) -> bool| {
                for _ in 0..500 {
                    if there(done_so_far()) {
                        return true;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                false
            };
            // A full batch has been waiting, so that the socket merges; each burst is what one merged datagram may hold.
            assert!(until(&|done| done.merges));
            let mut sender = Sender::new(Segmentation::Offload, Family::V4);
            for burst in 0..20 {
                let mut packets: Vec<Vec<u8>> = (1..=40).map(|n| sealed(burst * 40 + n, 9, &[0; 900])).collect();
                packets.push(vec![0, 0, 0, 0, 7]);
                let to = |bytes| Outgoing { peer: "127.0.0.1:4500".parse().unwrap(), local: from.ip(), bytes };
                sender.send(client.as_fd(), packets.iter().map(|packet| to(packet)), 0);
            }
            until(&|done| done.totals.ip.in_packets == 800);
            assert!(orders.send(Order::Stop).is_ok());
            bell.ring();
            let done = thread.join().unwrap();
            assert_eq!((done.totals.ip.in_packets, done.junk), (800, 0));
            let told = reports.iter().filter_map(|report| match report {
                Report::Isakmp(bytes, peer, local) => Some((bytes, peer, local)),
                _ => None,
            });
            let wanted = (vec![7], from, IpAddr::V4(Ipv4Addr::LOCALHOST));
            assert_eq!(told.collect::<Vec<_>>(), vec![wanted; 20]);
            let mut inbox = Inbox::new(BATCH, DATAGRAM);
            assert_eq!(inbox.receive(control.as_fd()).unwrap(), 0);
        });
        merged.join().unwrap();
    }

    #[test]
    fn packets_pass_both_ways_as_ip_protocol_50() {
        std::thread::spawn(|| go_both_ways(Encap::Raw)).join().unwrap();
    }

    #[test]
    fn a_device_that_is_taken_away_ends_the_thread_and_is_told_of() {
        let taken = std::thread::spawn(|| {
            let Some(_namespace) = enter_a_namespace() else { return };
            let (_orders, _bell, reports, thread, _control) =
                data_thread("127.0.0.2:4500".parse().unwrap(), Encap::Udp, 0);
            assert!(Command::new("ip").args(["link", "del", "sekisho0"]).status().unwrap().success());
            assert!(reports.iter().any(|report| matches!(report, Report::TunGone)));
            thread.join().unwrap();
        });
        taken.join().unwrap();
    }

    #[test]
    fn the_memory_of_a_batch_is_kept_for_the_next() {
        let mut octets = vec![0; 8];
        let mut batch: Vec<Arrival<'_>> = Vec::with_capacity(64);
        let place = batch.as_ptr() as usize;
        batch.push(Arrival::new(
            &mut octets,
            "192.0.2.1:4500".parse().unwrap(),
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Encap::Udp,
        ));
        batch.clear();
        let kept: Vec<Arrival<'static>> = emptied(batch, |_| None);
        assert_eq!((kept.capacity(), kept.as_ptr() as usize, kept.len()), (64, place, 0));
    }

    #[test]
    fn slots_lie_behind_each_other_until_there_is_no_room() {
        let mut arena = vec![0; 4 * LINE];
        let mut free = &mut arena[..];
        assert_eq!(take_slot(&mut free, 100).map(|s| s.len()), Some(100));
        assert_eq!(free.len(), 2 * LINE);
        assert_eq!(take_slot(&mut free, 2 * LINE + 1).map(|s| s.len()), None);
        assert_eq!(take_slot(&mut free, 2 * LINE).map(|s| s.len()), Some(2 * LINE));
        assert_eq!(take_slot(&mut free, 1).map(|s| s.len()), None);
    }
}
