//! One PPTP call as what carries PPP: it negotiates CCP beside it, and says when IP may pass and how.

use super::ccp::Mppe;
use super::log::Told;
use crate::carrier::{Carrier, CarrierOutput, Taken};
use crate::path::{ClientId, Protection, Update};
use crate::ppp::negotiation::{Negotiation, Step};
use crate::ppp::{Fault, Limits, Link};
use crate::rng::Rng;
use crate::time::{Instant, earliest};
use command::legacy::Tunnel;
use command::{Mss, PpRef};
use core::net::IpAddr;
use core::time::Duration;
use crypto::mppe::{Side, Strength, start_keys};
use std::collections::VecDeque;
use wire::legacy::ccp::{Bits, CCP};
use wire::ppp::{Code, Packet, Protocol, decode_frame, encode_frame};

/// What has been decided of encryption.
enum State {
    /// The client has not proved who it is.
    Waiting,
    /// CCP runs; no IP passes.
    Negotiating(Negotiation<Mppe>),
    /// Agreed on; CCP stays open.
    Protected(Negotiation<Mppe>, String),
    /// IP passes in the clear.
    Plain,
    /// The call is being ended.
    Ending,
}

/// One call.
pub(super) struct Call {
    settings: Tunnel,
    client: Option<ClientId>,
    peer: IpAddr,
    state: State,
    idle: Option<(Duration, Instant)>,
    user_told: bool,
    counted: Option<String>,
    outputs: VecDeque<CarrierOutput>,
}

impl Call {
    pub(super) fn new(settings: Tunnel, peer: IpAddr, now: Instant) -> Self {
        let idle = settings.disconnect_time_s.map(|s| Duration::from_secs(u64::from(s)));
        Self {
            settings,
            client: None,
            peer,
            state: State::Waiting,
            idle: idle.map(|time| (time, now.after(time))),
            user_told: false,
            counted: None,
            outputs: VecDeque::new(),
        }
    }

    fn tell(&mut self, told: &Told) {
        self.outputs.push_back(CarrierOutput::Event(told.event()));
    }

    fn hang_up(&mut self, why: impl Into<String>) {
        self.state = State::Ending;
        self.outputs.push_back(CarrierOutput::Hangup(why.into()));
    }

    /// No encryption will be agreed on.
    fn without(&mut self, why: &str) {
        if self.settings.ccp.required {
            return self.hang_up(format!("MPPE is required by 'ppp ccp no-encryption reject', and {why}"));
        }
        self.state = State::Plain;
        let tunnel = self.settings.number;
        self.tell(&Told::NotAgreed { tunnel, why: why.to_owned() });
        self.protect(None);
    }

    fn protect(&mut self, how: Option<Protection>) {
        if let Some(client) = self.client {
            self.outputs.push_back(CarrierOutput::Path(Update::Protect { client, how }));
        }
    }

    /// The client has come in.
    fn negotiate(&mut self, link: &Link, now: Instant) {
        let tunnel = self.settings.number;
        if let (false, Some(user)) = (self.user_told, link.user()) {
            self.user_told = true;
            self.tell(&Told::User { tunnel, user: user.to_owned(), peer: self.peer });
        }
        let ccp = &self.settings.ccp;
        if ccp.keys.is_empty() {
            return self.without("'ppp ccp type' allows none");
        }
        if link.shared().is_none() {
            return self.without("the authentication makes no keys for it; 'pp auth request mschap-v2' does");
        }
        let limits = Limits {
            restart: Duration::from_millis(u64::from(ccp.restart_ms)),
            max_configure: ccp.max_configure,
            max_terminate: ccp.max_terminate,
            max_failure: ccp.max_failure,
        };
        let mut negotiation = Negotiation::new(Mppe::new(ccp.keys, link.peer_mru()), limits, false);
        let mut steps = Vec::new();
        negotiation.start(now, &mut steps);
        self.state = State::Negotiating(negotiation);
        self.settle(steps, link);
    }

    fn settle(&mut self, steps: Vec<Step>, link: &Link) {
        for step in steps {
            match step {
                Step::Send(packet) => self.outputs.push_back(CarrierOutput::Send(encode_frame(CCP, &packet))),
                Step::LayerUp => self.on_up(link),
                // The keys would begin anew, and what was encrypted under them could be laid over what is to come.
                Step::LayerDown => self.hang_up("CCP was negotiated anew or ended, which is not safe"),
                Step::LayerStarted => {}
                Step::LayerFinished if matches!(self.state, State::Negotiating(_)) => {
                    self.without("the client does not answer in CCP");
                }
                Step::LayerFinished => {}
                Step::Failed(fault) => self.on_fault(fault),
            }
        }
    }

    fn on_fault(&mut self, fault: Fault) {
        if !matches!(self.state, State::Negotiating(_)) {
            return;
        }
        self.without(match fault {
            Fault::Refused(_) => "the client refuses MPPE",
            Fault::Insists(_) => "the client insists on other keys than 'ppp ccp type' allows",
            Fault::NoEnd => "no agreement was reached in CCP",
        });
    }

    fn on_up(&mut self, link: &Link) {
        let State::Negotiating(negotiation) = &self.state else { return };
        let negotiation = negotiation.clone();
        let (Some((send, receive)), Some(shared)) = (negotiation.options.agreed(), link.shared()) else {
            return self.without("the client asks for no MPPE in CCP");
        };
        let tunnel = self.settings.number;
        if send & Bits::KEYS != receive & Bits::KEYS || send != receive {
            return self.without("the client wants other keys in one direction than in the other");
        }
        let (send_key, receive_key) = start_keys(shared, strength(send), Side::Server);
        let words = words(send);
        self.tell(&Told::Agreed { tunnel, words: words.clone() });
        self.state = State::Protected(negotiation, words);
        self.protect(Some(Protection { bits: send, send: send_key, receive: receive_key }));
    }

    fn on_ccp(&mut self, payload: &[u8], link: &Link, rng: &mut Rng, now: Instant) -> Taken {
        let (State::Negotiating(negotiation) | State::Protected(negotiation, _)) = &mut self.state else {
            return if matches!(self.state, State::Ending) { Taken::Yes } else { Taken::No };
        };
        let Ok(packet) = Packet::decode(payload) else { return Taken::Yes };
        let mut steps = Vec::new();
        negotiation.receive(&packet, rng, now, &mut steps);
        self.settle(steps, link);
        Taken::Yes
    }

    /// LCP may say that the client knows nothing of CCP (RFC 1661 §5.7).
    fn on_lcp(&mut self, payload: &[u8]) {
        let rejected = Packet::decode(payload).ok().filter(|packet| packet.code == Code::ProtocolReject);
        let number = u16::from(CCP).to_be_bytes();
        if rejected.is_some_and(|packet| packet.data.starts_with(&number)) {
            match self.state {
                State::Negotiating(_) => self.without("the client does not do CCP"),
                State::Protected(..) => self.hang_up("the client does not do CCP any more"),
                State::Waiting | State::Plain | State::Ending => {}
            }
        }
    }
}

/// The size of keys that agreed bits name.
pub(super) fn strength(bits: u32) -> Strength {
    if bits & Bits::BITS_128 != 0 {
        Strength::Bits128
    } else if bits & Bits::BITS_56 != 0 {
        Strength::Bits56
    } else {
        Strength::Bits40
    }
}

fn words(bits: u32) -> String {
    let state = if bits & Bits::STATELESS == 0 { "stateful" } else { "stateless" };
    format!("MPPE {}bit {state}", strength(bits).bits())
}

impl Carrier for Call {
    fn name(&self) -> &'static str {
        "PPTP"
    }

    fn pp(&self) -> PpRef {
        self.settings.pp
    }

    fn mss(&self) -> Mss {
        self.settings.mss
    }

    fn begin(&mut self, client: ClientId) {
        self.client = Some(client);
    }

    fn handle_frame(&mut self, frame: &[u8], link: &Link, rng: &mut Rng, now: Instant) -> Taken {
        let Ok((protocol, payload)) = decode_frame(frame) else { return Taken::No };
        if protocol == CCP {
            return self.on_ccp(payload, link, rng, now);
        }
        if protocol == Protocol::Lcp && link.is_authenticated() {
            self.on_lcp(payload);
        }
        Taken::No
    }

    fn watch(&mut self, link: &Link, now: Instant) {
        match &self.state {
            State::Waiting if link.is_authenticated() => self.negotiate(link, now),
            // LCP was negotiated anew: the client proves itself again, and keys are made of that.
            State::Negotiating(_) | State::Protected(..) | State::Plain
                if !link.is_authenticated() && !link.is_finished() =>
            {
                self.state = State::Waiting;
            }
            State::Waiting | State::Negotiating(_) | State::Protected(..) | State::Plain | State::Ending => {}
        }
    }

    /// Only what is sent counts (yamaha.md §3.7).
    fn saw_traffic(&mut self, _data: bool, sent: bool, now: Instant) {
        if let (true, Some((time, due))) = (sent, &mut self.idle) {
            *due = now.after(*time);
        }
    }

    fn handle_timeout(&mut self, link: &Link, now: Instant) {
        if let State::Negotiating(negotiation) | State::Protected(negotiation, _) = &mut self.state {
            let mut steps = Vec::new();
            negotiation.handle_timeout(now, &mut steps);
            self.settle(steps, link);
        }
        if let Some((time, due)) = self.idle
            && now.reached(due)
        {
            self.idle = None;
            let why = format!("nothing was sent for {} s, see 'pptp tunnel disconnect time'", time.as_secs());
            self.hang_up(why);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let ccp = match &self.state {
            State::Negotiating(negotiation) | State::Protected(negotiation, _) => negotiation.poll_timeout(),
            State::Waiting | State::Plain | State::Ending => None,
        };
        earliest(ccp, self.idle.map(|(_, due)| due))
    }

    fn poll_output(&mut self) -> Option<CarrierOutput> {
        self.outputs.pop_front()
    }

    fn counted(&mut self, words: String) {
        self.counted = Some(words);
    }

    fn options(&self) -> Vec<String> {
        let agreed = match &self.state {
            State::Protected(_, words) => words,
            State::Waiting | State::Negotiating(_) | State::Plain | State::Ending => "None",
        };
        core::iter::once(format!("CCP: {agreed}")).chain(self.counted.clone()).collect()
    }
}
