//! An address that a DHCP server of a LAN lends for a caller: asked for, kept, given back (RFC 2131 §4.4).

use crate::rng::Rng;
use crate::time::{Instant, Retry};
use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;
use crypto::Hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::inside::dhcp::{BROADCAST, DhcpOption, Message, MessageType, Op, OptionCode};

/// How long a caller waits for an address: its own repetitions of IPCP go on for about 30 s.
const PATIENCE: Duration = Duration::from_secs(16);
/// Pauses between repetitions while an address is asked for; a second more or less is drawn for each (RFC 2131 §4.1).
const BACKOFF: Retry =
    Retry { first: Duration::from_secs(4), factor: 2, cap: Duration::from_secs(64), tries: u32::MAX };
/// Pause before asking again after a server has refused what it, or another, had offered.
const AFTER_NAK: Duration = Duration::from_secs(1);
/// The same after it was us who declined (RFC 2131 §3.1 step 5).
const AFTER_DECLINE: Duration = Duration::from_secs(10);
/// The least pause between repetitions while a lease is prolonged (RFC 2131 §4.4.5).
const LEAST_PAUSE: Duration = Duration::from_secs(60);
/// A lease shorter than this would have its caller closed before it could be prolonged.
const SHORTEST: u32 = 10;
/// A lease that does not end (RFC 2131 §3.3).
const FOR_EVER: u32 = u32::MAX;
/// Characters of a server's words that are told.
const MOST_WORDS: usize = 80;
/// What is asked for: mask, times and server (RFC 2132 §9.8).
const WANTED: [u8; 5] = [1, 51, 54, 58, 59];
/// Ethernet (RFC 2131 §2), as whose host a caller appears.
const ETHERNET: u8 = 1;

/// What a caller is called on the LAN: a hardware address of the kind that nobody is given by a maker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Identity([u8; 6]);

impl Identity {
    /// The same for the same words, so that a user is known again and gets its address back.
    fn of(parts: &[&[u8]]) -> Self {
        let digest = Hash::Sha256.digest(parts);
        let mut octets = [0; 6];
        octets.iter_mut().zip(&digest).for_each(|(to, from)| *to = *from);
        // Of one station, and locally administered (IEEE 802-2014 §8.2.2).
        octets[0] = (octets[0] & 0xfc) | 0x02;
        Self(octets)
    }

    fn chaddr(self) -> [u8; 16] {
        let mut chaddr = [0; 16];
        chaddr.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        chaddr
    }

    /// Whose message it is, if anybody's of the kind used here.
    pub(crate) fn of_message(message: &Message) -> Option<Self> {
        let [a, b, c, d, e, f, ..] = message.chaddr;
        (message.htype == ETHERNET && message.hlen == 6).then_some(Self([a, b, c, d, e, f]))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// Which client goes by which name on the LANs.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<Identity, u32>);

impl Names {
    /// A name for a session of `user` on the LAN where we are `own`: always the same for a user's only session, another
    /// for each that stands beside it.
    pub(crate) fn draw(&mut self, lan: &str, own: Ipv4Addr, user: &str, client: u32) -> Identity {
        let mut which: u32 = 0;
        loop {
            let parts: [&[u8]; 6] =
                [b"sekisho", &own.octets(), lan.as_bytes(), b"\0", user.as_bytes(), &which.to_be_bytes()];
            let identity = Identity::of(&parts);
            if self.take(identity, client) {
                return identity;
            }
            which += 1;
        }
    }

    /// A session brought its name along; false if another has it.
    pub(crate) fn take(&mut self, identity: Identity, client: u32) -> bool {
        let free = !self.0.contains_key(&identity);
        if free {
            self.0.insert(identity, client);
        }
        free
    }

    pub(crate) fn give_back(&mut self, identity: Identity) {
        self.0.remove(&identity);
    }

    /// Which client a message is for.
    pub(crate) fn holder(&self, identity: Identity) -> Option<u32> {
        self.0.get(&identity).copied()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What is wrong with an address that a server offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Flaw {
    /// It lies outside of the LAN's network.
    Outside,
    /// It stands for the network, or for all hosts in it.
    NoHost,
    /// It is our own.
    Own,
    /// Another caller has it.
    Taken,
    /// It is lent for no time, or for too short a one.
    Short,
    /// It is not the one that was asked for.
    Other,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outside => "it lies outside of that LAN's network, see 'ip lanN address'",
            Self::NoHost => "it stands for the network or for all of its hosts",
            Self::Own => "it is this server's own; keep it out of the DHCP server's range",
            Self::Taken => {
                "another caller has it; keep what 'pp auth username' and pools give away out of the DHCP server's range"
            }
            Self::Short => "it is lent for less than 10 s; let the DHCP server lend for an hour or more",
            Self::Other => "it is not the one that was asked for",
        })
    }
}

/// Why there is no address, or none any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lost {
    /// Nobody answered.
    Silent,
    /// All that was offered could not be used.
    Unusable(Ipv4Addr, Flaw),
    /// A server refused what it had offered.
    Refused(Ipv4Addr, String),
    /// The server has taken it away.
    Withdrawn(Ipv4Addr, String),
    /// Nobody has prolonged it.
    Expired,
    /// The LAN has no address in the configuration.
    NoLan,
}

/// An address as it was lent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// By whom.
    pub server: Ipv4Addr,
    /// Which.
    pub address: Ipv4Addr,
    /// For how long, in seconds; all ones stand for ever.
    pub seconds: u32,
}

/// What comes of a step.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Step {
    /// Send this, to that server or to all.
    Send(Option<Ipv4Addr>, Vec<u8>),
    /// Here is the address.
    Granted(Grant),
    /// There is none, or none any more; nothing will follow.
    Lost(Lost),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum State {
    /// RFC 2131 §4.4.1: SELECTING.
    Selecting,
    /// REQUESTING, from this server, this address.
    Requesting(Ipv4Addr, Ipv4Addr),
    /// BOUND, RENEWING or REBINDING, by the time: those of T1, T2 and of the end, where there are any.
    Bound { grant: Grant, times: Option<[Instant; 3]> },
    /// It is no use any more.
    Over,
}

/// One lease of one caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The LAN.
    pub(crate) lan: String,
    /// Who the caller is there.
    pub(crate) identity: Identity,
    xid: u32,
    /// When it was first asked for, or first to be prolonged.
    began: Instant,
    state: State,
    /// Messages sent in this state, when the last one was, and when the next thing is to be done.
    sent: u32,
    asked: Instant,
    due: Option<Instant>,
    /// The last offer that could not be used, and the last refusal.
    flaw: Option<(Ipv4Addr, Flaw)>,
    refusal: Option<(Ipv4Addr, String)>,
}

impl Lease {
    /// Asks for an address (RFC 2131 §3.1).
    pub(crate) fn ask(lan: String, identity: Identity, rng: &mut Rng, now: Instant) -> (Self, Step) {
        let mut lease = Self {
            lan,
            identity,
            xid: rng.u32(),
            began: now,
            state: State::Selecting,
            sent: 0,
            asked: now,
            due: None,
            flaw: None,
            refusal: None,
        };
        let step = lease.repeat(rng, now);
        (lease, step)
    }

    /// When to call [`Self::handle_timeout`].
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A message for this caller came from the LAN; `usable` says what is wrong with an address.
    pub(crate) fn handle_message(
        &mut self,
        message: &Message,
        usable: &dyn Fn(Ipv4Addr) -> Result<(), Flaw>,
        rng: &mut Rng,
        now: Instant,
    ) -> Vec<Step> {
        let ours = message.op == Op::Reply && message.xid == self.xid;
        let server = message.address(OptionCode::ServerIdentifier).filter(|server| is_host(*server));
        let (true, Some(server), Some(kind)) = (ours, server, message.message_type()) else { return vec![] };
        match (kind, self.state) {
            (MessageType::Offer, State::Selecting) => self.on_offer(server, message, usable, rng, now),
            (MessageType::Ack, State::Requesting(from, address)) if from == server => {
                self.on_ack(server, address, message, usable, now)
            }
            (MessageType::Nak, State::Requesting(from, _)) if from == server => {
                self.refusal = Some((server, words(message)));
                self.begin_anew(AFTER_NAK, now);
                vec![]
            }
            (MessageType::Ack, State::Bound { grant, times }) if self.may_prolong(server, grant, times, now) => {
                self.on_prolonged(server, grant, message, usable);
                vec![]
            }
            (MessageType::Nak, State::Bound { grant, times }) if self.may_prolong(server, grant, times, now) => {
                vec![self.lose(Lost::Withdrawn(server, words(message)))]
            }
            _ => vec![],
        }
    }

    /// The moment asked for has come.
    pub(crate) fn handle_timeout(&mut self, rng: &mut Rng, now: Instant) -> Option<Step> {
        self.due.filter(|due| now.reached(*due))?;
        match self.state {
            State::Over => {
                self.due = None;
                None
            }
            State::Bound { times: Some([.., end]), .. } if now.reached(end) => Some(self.lose(Lost::Expired)),
            State::Bound { .. } => Some(self.repeat(rng, now)),
            State::Selecting | State::Requesting(..) if now.reached(self.began.after(PATIENCE)) => {
                let lost = match (self.refusal.take(), self.flaw) {
                    (Some((server, words)), _) => Lost::Refused(server, words),
                    (None, Some((address, flaw))) => Lost::Unusable(address, flaw),
                    (None, None) => Lost::Silent,
                };
                Some(self.lose(lost))
            }
            State::Selecting | State::Requesting(..) => Some(self.repeat(rng, now)),
        }
    }

    /// Gives the address back (RFC 2131 §4.4.6); also one that was asked for and perhaps lent.
    pub(crate) fn release(&self, now: Instant) -> Option<Step> {
        let (server, address) = match self.state {
            State::Requesting(server, address) => (server, address),
            State::Bound { grant, .. } => (grant.server, grant.address),
            State::Selecting | State::Over => return None,
        };
        let mut message = self.message(MessageType::Release, now);
        message.ciaddr = address;
        message.flags = 0;
        message.options.push(DhcpOption::addresses(OptionCode::ServerIdentifier, &[server]));
        Some(Step::Send(Some(server), message.encode()))
    }

    fn on_offer(
        &mut self,
        server: Ipv4Addr,
        offer: &Message,
        usable: &dyn Fn(Ipv4Addr) -> Result<(), Flaw>,
        rng: &mut Rng,
        now: Instant,
    ) -> Vec<Step> {
        let address = offer.yiaddr;
        let seconds = offer.seconds(OptionCode::LeaseTime).unwrap_or_default();
        let long = if seconds < SHORTEST { Err(Flaw::Short) } else { Ok(()) };
        match usable(address).and(long) {
            Err(flaw) => {
                self.flaw = Some((address, flaw));
                vec![]
            }
            Ok(()) => {
                self.state = State::Requesting(server, address);
                self.sent = 0;
                vec![self.repeat(rng, now)]
            }
        }
    }

    fn on_ack(
        &mut self,
        server: Ipv4Addr,
        asked: Ipv4Addr,
        ack: &Message,
        usable: &dyn Fn(Ipv4Addr) -> Result<(), Flaw>,
        now: Instant,
    ) -> Vec<Step> {
        let address = ack.yiaddr;
        let same = if address == asked { Ok(()) } else { Err(Flaw::Other) };
        let seconds = ack.seconds(OptionCode::LeaseTime).unwrap_or_default();
        let long = if seconds < SHORTEST { Err(Flaw::Short) } else { Ok(()) };
        if let Err(flaw) = usable(address).and(same).and(long) {
            // RFC 2131 §4.4.4: what cannot be used is declined, and the server will not offer it again at once.
            self.flaw = Some((address, flaw));
            let mut message = self.message(MessageType::Decline, now);
            message.options.push(DhcpOption::addresses(OptionCode::RequestedAddress, &[address]));
            message.options.push(DhcpOption::addresses(OptionCode::ServerIdentifier, &[server]));
            let bytes = message.encode();
            self.begin_anew(AFTER_DECLINE, now);
            return vec![Step::Send(None, bytes)];
        }
        let grant = Grant { server, address, seconds };
        self.bind(grant, ack);
        vec![Step::Granted(grant)]
    }

    fn on_prolonged(
        &mut self,
        server: Ipv4Addr,
        old: Grant,
        ack: &Message,
        usable: &dyn Fn(Ipv4Addr) -> Result<(), Flaw>,
    ) {
        let seconds = ack.seconds(OptionCode::LeaseTime).unwrap_or_default();
        let fit = match usable(old.address) {
            Ok(()) | Err(Flaw::Taken) => ack.yiaddr == old.address && seconds >= SHORTEST,
            Err(_) => false,
        };
        // Anything else is another's idea of the lease: ours goes on until it ends.
        if fit {
            self.bind(Grant { server, seconds, ..old }, ack);
        }
    }

    /// RFC 2131 §4.4.1: a lease counts from when its request was sent; §4.4.5: T1 and T2 where none are told.
    fn bind(&mut self, grant: Grant, ack: &Message) {
        let Grant { seconds, .. } = grant;
        let told = |code| ack.seconds(code).filter(|t| *t > 0 && *t < seconds);
        let life = whole(seconds);
        let (half, late) = (life / 2, life * 7 / 8);
        let t2 = told(OptionCode::RebindingTime).map_or(late, whole);
        let t1 = told(OptionCode::RenewalTime).map_or(half, whole).min(t2);
        // Callers who came at the same time do not all ask at the same time: up to a sixteenth earlier.
        let early = t1 * (self.xid & 0xff) / 0x1000;
        let times = [self.asked.after(t1.saturating_sub(early)), self.asked.after(t2), self.asked.after(life)];
        let times = (seconds != FOR_EVER).then_some(times);
        self.due = times.map(|[renew, ..]| renew);
        self.sent = 0;
        self.state = State::Bound { grant, times };
    }

    /// Whether a server may have a say in a lease that stands: the one that lends it from T1 on, any from T2 on, and none
    /// that was not asked.
    fn may_prolong(&self, server: Ipv4Addr, grant: Grant, times: Option<[Instant; 3]>, now: Instant) -> bool {
        let rebinding = times.is_some_and(|[_, rebind, _]| now.reached(rebind));
        self.sent > 0 && (server == grant.server || rebinding)
    }

    fn begin_anew(&mut self, pause: Duration, now: Instant) {
        self.state = State::Selecting;
        self.sent = 0;
        self.due = Some(now.after(pause).min(self.began.after(PATIENCE)));
    }

    fn lose(&mut self, why: Lost) -> Step {
        (self.state, self.due) = (State::Over, None);
        Step::Lost(why)
    }

    /// Sends what this state says, and notes when to do it again.
    fn repeat(&mut self, rng: &mut Rng, now: Instant) -> Step {
        self.sent += 1;
        self.asked = now;
        if let (State::Bound { .. }, 1) = (self.state, self.sent) {
            self.began = now;
        }
        let mut message = match self.state {
            State::Requesting(server, address) => {
                let mut message = self.message(MessageType::Request, now);
                message.options.push(DhcpOption::addresses(OptionCode::RequestedAddress, &[address]));
                message.options.push(DhcpOption::addresses(OptionCode::ServerIdentifier, &[server]));
                message
            }
            // As a host that verifies what it remembers (RFC 2131 §4.3.2, INIT-REBOOT), and not as one that renews: the
            // answer would go to the caller's address then, into the tunnel instead of here.
            State::Bound { grant, .. } => {
                let mut message = self.message(MessageType::Request, now);
                message.options.push(DhcpOption::addresses(OptionCode::RequestedAddress, &[grant.address]));
                message
            }
            State::Selecting | State::Over => self.message(MessageType::Discover, now),
        };
        message.options.push(DhcpOption::new(OptionCode::ParameterRequestList, WANTED));
        self.due = Some(self.next(rng, now));
        Step::Send(None, message.encode())
    }

    /// When what was sent is to be sent again.
    fn next(&self, rng: &mut Rng, now: Instant) -> Instant {
        match self.state {
            State::Bound { times: Some([_, rebind, end]), .. } => {
                let limit = if now.reached(rebind) { end } else { rebind };
                now.after((limit.since(now) / 2).max(LEAST_PAUSE)).min(limit)
            }
            State::Selecting | State::Requesting(..) | State::Bound { .. } | State::Over => {
                let pause = BACKOFF.pause(self.sent).saturating_sub(Duration::from_secs(1));
                let drawn = Duration::from_millis(u64::from(rng.u16()) * 2000 / 0x1_0000);
                now.after(pause + drawn).min(self.began.after(PATIENCE))
            }
        }
    }

    fn message(&self, kind: MessageType, now: Instant) -> Message {
        let identity = [&[ETHERNET][..], &self.identity.0].concat();
        Message {
            op: Op::Request,
            htype: ETHERNET,
            hlen: 6,
            hops: 0,
            xid: self.xid,
            secs: u16::try_from(now.since(self.began).as_secs()).unwrap_or(u16::MAX),
            flags: BROADCAST,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: self.identity.chaddr(),
            options: vec![
                DhcpOption::new(OptionCode::MessageType, [u8::from(kind)]),
                DhcpOption::new(OptionCode::ClientIdentifier, identity),
            ],
        }
    }
}

fn whole(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Whether an address is one that a host may have anywhere.
pub(crate) fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback())
}

/// The words that a server gives for a refusal, fit for a log.
fn words(message: &Message) -> String {
    let octets = message.option(OptionCode::Message).unwrap_or_default();
    String::from_utf8_lossy(&octets).chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect()
}

#[cfg(test)]
mod tests;
