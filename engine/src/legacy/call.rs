//! One PPTP call as what carries PPP: it begins CCP beside it, and says when IP may pass and how.

use super::encryption::{Encryption, Outcome};
use super::log::Told;
use crate::carrier::{Carrier, CarrierOutput, Companion, Taken};
use crate::path::{ClientId, Protection, Update};
use crate::ppp::Link;
use crate::rng::Rng;
use crate::time::{Instant, earliest};
use command::legacy::Tunnel;
use command::{Mss, PpRef};
use core::net::IpAddr;
use core::time::Duration;
use std::collections::VecDeque;
use wire::legacy::ccp::{CCP, COMPRESSED};
use wire::ppp::{Protocol, decode_frame};

/// What has been decided of encryption.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The client has not proved who it is.
    Waiting,
    /// CCP runs, or has brought keys; without them no IP passes.
    Encrypting,
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
    encryption: Encryption,
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
            encryption: Encryption::new(),
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
        self.encryption.stop();
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
        self.state = State::Encrypting;
        self.encryption.start(&self.settings.ccp, link, now);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(outcome) = self.encryption.poll_outcome() {
            match outcome {
                Outcome::Send(frame) => self.outputs.push_back(CarrierOutput::Send(frame)),
                Outcome::Agreed(how, words) => {
                    self.tell(&Told::Agreed { tunnel: self.settings.number, words });
                    self.protect(Some(how));
                }
                Outcome::Without(why) => self.without(why),
                Outcome::Broken(why) => self.hang_up(why),
            }
        }
    }
}

impl Companion for Call {
    fn begin(&mut self, client: ClientId) {
        self.client = Some(client);
    }

    fn handle_frame(&mut self, frame: &[u8], link: &Link, rng: &mut Rng, now: Instant) -> Taken {
        let Ok((protocol, payload)) = decode_frame(frame) else { return Taken::No };
        if protocol == CCP {
            if self.state == State::Ending {
                return Taken::Yes;
            }
            let taken = self.encryption.receive(payload, link, rng, now);
            self.settle();
            return taken;
        }
        if protocol == COMPRESSED {
            self.encryption.peer_is_open(link, now);
            self.settle();
            return Taken::Yes;
        }
        if protocol == Protocol::Lcp && link.is_authenticated() {
            self.encryption.on_lcp(payload);
            self.settle();
        }
        Taken::No
    }

    fn watch(&mut self, link: &Link, now: Instant) {
        match self.state {
            State::Waiting if link.is_authenticated() => self.negotiate(link, now),
            // LCP was negotiated anew: the client proves itself again, and keys are made of that.
            State::Encrypting | State::Plain if !link.is_authenticated() && !link.is_finished() => {
                self.state = State::Waiting;
                self.encryption.stop();
            }
            State::Waiting | State::Encrypting | State::Plain | State::Ending => {}
        }
    }

    fn handle_timeout(&mut self, link: &Link, now: Instant) {
        self.encryption.handle_timeout(link, now);
        self.settle();
        if let Some((time, due)) = self.idle
            && now.reached(due)
        {
            self.idle = None;
            let why = format!("nothing was sent for {} s, see 'pptp tunnel disconnect time'", time.as_secs());
            self.hang_up(why);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.encryption.poll_timeout(), self.idle.map(|(_, due)| due))
    }

    fn poll_output(&mut self) -> Option<CarrierOutput> {
        self.outputs.pop_front()
    }

    /// GRE's own numbers see to it.
    fn needs_order(&self) -> bool {
        false
    }

    fn options(&self) -> Vec<String> {
        core::iter::once(format!("CCP: {}", self.encryption.words())).chain(self.counted.clone()).collect()
    }
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

    /// Only what is sent counts (yamaha.md §3.7).
    fn saw_traffic(&mut self, _data: bool, sent: bool, now: Instant) {
        if let (true, Some((time, due))) = (sent, &mut self.idle) {
            *due = now.after(*time);
        }
    }

    fn counted(&mut self, words: String) {
        self.counted = Some(words);
    }
}
