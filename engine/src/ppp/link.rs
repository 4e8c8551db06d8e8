//! The phases of a link (RFC 1661 §3.2): establish, authenticate, network, terminate.

mod ipv6;

use super::auth::{AuthStep, Authenticator, Method, Verdict, printable};
use super::cause::{Cause, Phase};
use super::ipcp::Ipcp;
use super::ipv6cp::{self, Ipv6cp};
use super::lcp::{AUTH_OPTION, Extra, Lcp};
use super::negotiation::{Fault, Negotiation, State, Step};
use super::ping;
use super::{Keepalive, Log, Output, Rechallenge, Settings, Up};
use crate::rng::Rng;
use crate::time::{Instant, earliest};
use core::net::Ipv4Addr;
use core::time::Duration;
use crypto::chap::Shared;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use wire::ppp::{Code, Packet, Protocol, decode_frame, encode_frame};

/// How long a client has to end the call itself after a Failure, so that it shows its user the right reason.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How long a link may take until packets can flow, whatever the client does meanwhile.
const SET_UP: Duration = Duration::from_secs(300);

/// Our name in challenges where the operator has given none; pppd needs one.
const CHALLENGE_NAME: &str = "sekisho";

/// Texts of a client's Identification that are told to the log; Windows sends three.
const MAX_IDENTIFICATIONS: u8 = 8;

/// One PPP link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    settings: Arc<Settings>,
    lcp: Negotiation<Lcp>,
    stage: Stage,
    /// Our interface identifier, where IPv6 is wanted; the same whenever LCP is negotiated anew.
    identifier: Option<u64>,
    /// Who came in and with which address; kept when LCP is negotiated anew.
    granted: Option<Granted>,
    /// What MS-CHAP has left to both sides. No record keeps it: who wants it takes it while the link comes up.
    #[serde(skip)]
    shared: Option<Shared>,
    /// Why the link will end, if it is ending.
    cause: Option<Box<Cause>>,
    /// What the client gave as its reason to end the link.
    farewell: Option<Box<Cause>>,
    echo: Option<Echo>,
    set_up_until: Option<Instant>,
    /// Who may come in as soon as the client has confirmed that it has heard so (EAP).
    admitted: Option<Box<(String, Option<Ipv4Addr>)>>,
    identifications: u8,
    outputs: VecDeque<Output>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Granted {
    user: String,
    address: Ipv4Addr,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "nearly every link is in the largest one")]
enum Stage {
    /// LCP is not open: not yet, or not any more.
    Establish,
    /// The client has to prove who it is.
    Authenticate(Authenticator),
    /// The client was told that it may not come in.
    Refused { auth: Authenticator, until: Instant },
    /// The client may come in; an address is being looked for.
    Address { auth: Authenticator, user: String },
    /// IPCP; `is_heard` once the client has said anything in it. IPV6CP, once it has begun that.
    Network { auth: Authenticator, ipcp: Negotiation<Ipcp>, is_heard: bool, ipv6cp: Option<Box<Negotiation<Ipv6cp>>> },
    /// Over.
    Finished,
}

/// Watches for signs of life with echoes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Echo {
    keepalive: Keepalive,
    waiting: bool,
    missed: u32,
    due: Instant,
    /// The number of the last echo of ICMP.
    sequence: u16,
}

impl Echo {
    fn alive(&mut self, now: Instant) {
        self.waiting = false;
        self.missed = 0;
        self.due = now.after(self.keepalive.interval);
    }
}

impl Link {
    /// Begins with LCP.
    pub fn start(settings: Arc<Settings>, rng: &mut Rng, now: Instant) -> Self {
        let (limits, silent) = (settings.lcp, settings.silent);
        let mut link = Self {
            lcp: Negotiation::new(Lcp::new(settings.clone(), rng), limits, silent),
            identifier: settings.ipv6cp.then(|| ipv6cp::identifier(rng)),
            settings,
            stage: Stage::Establish,
            granted: None,
            shared: None,
            cause: None,
            farewell: None,
            echo: None,
            set_up_until: Some(now.after(SET_UP)),
            admitted: None,
            identifications: 0,
            outputs: VecDeque::new(),
        };
        if link.settings.auth.is_empty() {
            link.finish(Cause::NoMethod);
            return link;
        }
        let mut steps = Vec::new();
        link.lcp.start(now, &mut steps);
        link.settle_lcp(steps, now);
        link
    }

    /// What Windows has said about the end that it has asked for, if it gave a number: its hanging up in L2TP tells less.
    pub fn windows_error(&self) -> Option<String> {
        let told = |c: &&Cause| matches!(c, Cause::PeerTerminated { windows_error: Some(1..), .. });
        self.farewell.as_deref().filter(told).map(ToString::to_string)
    }

    /// Whether the link is over; nothing will come of it any more.
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }

    /// Whether packets can flow.
    pub fn is_up(&self) -> bool {
        matches!(&self.stage, Stage::Network { ipcp, .. } if ipcp.is_opened())
    }

    /// Whether the client has proved who it is, and may speak of networks.
    pub fn is_authenticated(&self) -> bool {
        matches!(self.stage, Stage::Address { .. } | Stage::Network { .. })
    }

    /// The client's maximum receive unit, in octets.
    pub fn peer_mru(&self) -> u16 {
        self.lcp.options.peer.mru
    }

    /// Who came in.
    pub fn user(&self) -> Option<&str> {
        match &self.stage {
            Stage::Address { user, .. } => Some(user),
            _ => self.granted.as_ref().map(|granted| granted.user.as_str()),
        }
    }

    /// What MS-CHAP has left to both sides (RFC 3079 makes keys of it); nothing where another method was used.
    pub fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    /// The address that the client was given, from [`Self::assign`] on.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.granted.as_ref().map(|granted| granted.address)
    }

    /// What the link wants done, one thing at a time.
    pub fn poll_output(&mut self) -> Option<Output> {
        crate::queue::take(&mut self.outputs)
    }

    /// A PPP frame arrived, from the octets ff 03 or from the protocol on.
    pub fn handle_frame(&mut self, frame: &[u8], rng: &mut Rng, now: Instant) {
        if self.is_finished() {
            return;
        }
        self.saw_traffic(now);
        let Ok((protocol, payload)) = decode_frame(frame) else {
            return;
        };
        match protocol {
            Protocol::Lcp => self.on_lcp(payload, rng, now),
            Protocol::Pap | Protocol::Chap | Protocol::Eap => self.on_auth(protocol, payload, rng, now),
            Protocol::Ipcp => self.on_ipcp(payload, rng, now),
            Protocol::Ipv4 => self.on_data(now),
            Protocol::Ipv6cp | Protocol::Ipv6 => self.on_ipv6_frame(protocol, payload, rng, now),
            other => self.on_unknown_protocol(other, payload),
        }
    }

    /// A frame of the client arrived: its link is alive.
    pub fn saw_traffic(&mut self, now: Instant) {
        if let Some(echo) = &mut self.echo {
            echo.alive(now);
        }
    }

    /// The answer to [`Output::Authenticate`].
    pub fn authorise(&mut self, verdict: Verdict, rng: &mut Rng, now: Instant) {
        let Stage::Authenticate(auth) = &mut self.stage else {
            return;
        };
        let Some(name) = auth.judging().map(<[u8]>::to_vec) else {
            return;
        };
        let protocol = auth.method().protocol();
        let Some(packet) = auth.tell(&verdict, rng, now) else { return };
        let auth = auth.clone();
        self.send(protocol, &packet);
        match verdict {
            Verdict::Reject { why } => {
                self.cause.get_or_insert_with(|| Box::new(Cause::rejected(why, &name)));
                if auth.is_retrying() {
                    return;
                }
                self.stage = Stage::Refused { auth, until: now.after(AFTER_FAILURE) };
            }
            Verdict::Accept { user, address, shared, .. } => {
                self.shared = shared;
                // It may have mistyped before.
                self.cause = None;
                if auth.is_confirming() {
                    self.admitted = Some(Box::new((user, address)));
                    return;
                }
                self.admit(auth, user, address, now);
            }
        }
    }

    /// The client comes in.
    fn admit(&mut self, auth: Authenticator, user: String, address: Option<Ipv4Addr>, now: Instant) {
        let user = printable(user.as_bytes());
        self.log(Log::CallDetected { user: user.clone() });
        match &self.granted {
            // LCP was negotiated anew: the client keeps its address.
            Some(granted) if granted.user == user => {
                let address = granted.address;
                self.begin_network(auth, address, now);
            }
            Some(_) => {
                let why = "the client came back as another user".to_owned();
                self.fail(Cause::Closed { why }, now);
            }
            None => {
                self.stage = Stage::Address { auth, user: user.clone() };
                self.outputs.push_back(Output::NeedAddress { user, asked: address });
            }
        }
    }

    /// Asks the client once more who it is, for a way that the question takes outside the link; nothing if the client has
    /// not come in, or came in by its password alone.
    pub fn rechallenge(&self, rng: &mut Rng, now: Instant) -> Option<(Rechallenge, Vec<u8>)> {
        let Stage::Network { auth, .. } = &self.stage else { return None };
        Rechallenge::start(auth.method(), self.challenge_name(), rng, now)
    }

    /// The client has answered that question rightly.
    pub fn proved_again(&mut self, asked: Rechallenge) {
        if let Stage::Network { auth, .. } = &mut self.stage {
            *auth = asked.into_authenticator();
        }
    }

    /// Whether the client has been let in.
    pub fn is_let_in(&self) -> bool {
        matches!(self.stage, Stage::Network { .. })
    }

    /// Whether the client was let in by its password alone.
    pub fn came_by_pap(&self) -> bool {
        matches!(&self.stage, Stage::Network { auth, .. } if auth.method() == Method::Pap)
    }

    /// The protocol of the way that the client was asked to authenticate in last; 0 if no way is left.
    pub fn method_protocol(&self) -> u16 {
        self.lcp.options.method().map_or(0, |method| method.protocol().into())
    }

    /// An Echo-Request, to see whether the client lives.
    pub fn ask_for_life(&mut self) {
        if self.lcp.is_opened() {
            let packet = self.lcp.echo_request();
            self.send(Protocol::Lcp, &packet);
        }
    }

    fn challenge_name(&self) -> &str {
        if self.settings.challenge_name.is_empty() { CHALLENGE_NAME } else { &self.settings.challenge_name }
    }

    /// The answer to [`Output::NeedAddress`]; without an address the call ends.
    pub fn assign(&mut self, address: Option<Ipv4Addr>, now: Instant) {
        let Stage::Address { auth, user } = &self.stage else {
            return;
        };
        let Some(address) = address else {
            return self.fail(Cause::PoolEmpty, now);
        };
        let auth = auth.clone();
        self.granted = Some(Granted { user: user.clone(), address });
        self.begin_network(auth, address, now);
    }

    /// Ends the link in an orderly way.
    pub fn close(&mut self, why: &str, now: Instant) {
        self.end(Cause::Closed { why: why.to_owned() }, now);
    }

    /// The same for a cause that is more than words.
    pub fn end(&mut self, cause: Cause, now: Instant) {
        if !self.is_finished() {
            self.fail(cause, now);
        }
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Finished => return None,
            Stage::Establish | Stage::Address { .. } => None,
            Stage::Authenticate(auth) => auth.poll_timeout(),
            Stage::Refused { until, .. } => Some(*until),
            Stage::Network { ipcp, .. } => ipcp.poll_timeout(),
        };
        let own = earliest(self.set_up_until, self.echo.as_ref().map(|echo| echo.due));
        let stage = earliest(stage, self.ipv6_due());
        earliest(earliest(self.lcp.poll_timeout(), stage), own)
    }

    /// The moment asked for has come.
    pub fn handle_timeout(&mut self, _rng: &mut Rng, now: Instant) {
        let mut steps = Vec::new();
        self.lcp.handle_timeout(now, &mut steps);
        self.settle_lcp(steps, now);
        match &mut self.stage {
            Stage::Finished | Stage::Establish | Stage::Address { .. } => {}
            Stage::Authenticate(auth) => {
                let step = auth.handle_timeout(now);
                self.settle_auth(step, now);
            }
            Stage::Refused { until, .. } if now.reached(*until) => self.shut(now),
            Stage::Refused { .. } => {}
            Stage::Network { auth, ipcp, is_heard, .. } => {
                let mut steps = Vec::new();
                ipcp.handle_timeout(now, &mut steps);
                // A client that does not repeat its Response waits for ever if the Success was lost.
                let success = if steps.is_empty() || *is_heard { None } else { auth.repeat() };
                if let Some(packet) = success {
                    self.send_auth(&packet);
                }
                self.settle_ipcp(steps, now);
            }
        }
        self.on_ipv6_timer(now);
        self.on_echo_timer(now);
        if self.set_up_until.is_some_and(|until| now.reached(until)) && !self.is_finished() {
            self.set_up_until = None;
            let phase = self.phase();
            self.fail(Cause::NoAnswer { phase }, now);
        }
    }

    fn phase(&self) -> Phase {
        match &self.stage {
            Stage::Establish | Stage::Finished => Phase::Lcp,
            Stage::Authenticate(_) | Stage::Refused { .. } => Phase::Authentication,
            Stage::Address { .. } | Stage::Network { .. } => Phase::Ipcp,
        }
    }

    fn on_lcp(&mut self, payload: &[u8], rng: &mut Rng, now: Instant) {
        let Ok(packet) = Packet::decode(payload) else { return };
        self.log_packet(false, Protocol::Lcp, payload);
        if packet.code == Code::TerminateRequest {
            let phase = self.phase();
            // Windows ends IPCP with the number that tells why, then LCP with none.
            self.farewell.get_or_insert_with(|| Box::new(Cause::peer_terminated(phase, packet.data)));
        }
        let mut steps = Vec::new();
        let extra = self.lcp.receive_lcp(&packet, rng, now, &mut steps);
        if self.settle_lcp(steps, now) {
            self.begin_authentication(rng, now);
        }
        match extra {
            Some(Extra::Identification(text)) if self.identifications < MAX_IDENTIFICATIONS => {
                self.identifications += 1;
                self.log(Log::Identification { text: printable(&text) });
            }
            Some(Extra::ProtocolRejected(protocol)) => self.on_protocol_rejected(protocol, now),
            Some(Extra::EchoReply) => self.log_keepalive(None, false),
            Some(Extra::Identification(_)) | None => {}
        }
    }

    fn on_protocol_rejected(&mut self, protocol: Protocol, now: Instant) {
        let phase = match (&self.stage, protocol) {
            (Stage::Network { .. } | Stage::Address { .. }, Protocol::Ipcp) => Phase::Ipcp,
            (Stage::Network { .. }, Protocol::Ipv6cp) => return self.on_ipv6cp_rejected(),
            (Stage::Authenticate(auth), rejected) if rejected == auth.method().protocol() => Phase::Authentication,
            _ => return,
        };
        self.fail(Cause::NegotiationFailed { phase, fault: None }, now);
    }

    /// Takes what LCP wants; true if the layer came up.
    fn settle_lcp(&mut self, steps: Vec<Step>, now: Instant) -> bool {
        let mut is_up = false;
        for step in steps {
            match step {
                Step::Send(packet) => self.send(Protocol::Lcp, &packet),
                Step::LayerStarted => {}
                Step::LayerUp => is_up = true,
                Step::LayerDown => self.on_lcp_down(now),
                Step::LayerFinished => {
                    let silent = Cause::NoAnswer { phase: Phase::Lcp };
                    let cause = self.cause.take().or_else(|| self.farewell.take()).map_or(silent, |cause| *cause);
                    self.finish(cause);
                }
                Step::Failed(Fault::Refused(AUTH_OPTION)) => {
                    let wanted = self.lcp.options.wanted_by_peer();
                    let allowed = self.settings.auth.iter().map(|method| method.name().to_owned()).collect();
                    self.fail(Cause::MethodRefused { wanted, allowed }, now);
                }
                Step::Failed(fault) => {
                    self.fail(Cause::NegotiationFailed { phase: Phase::Lcp, fault: Some(fault) }, now);
                }
            }
        }
        is_up
    }

    fn on_lcp_down(&mut self, now: Instant) {
        if self.is_up() {
            self.outputs.push_back(Output::NetworkDown);
        }
        self.ipv6_down();
        self.stage = Stage::Establish;
        self.echo = None;
        self.set_up_until = Some(now.after(SET_UP));
    }

    fn begin_authentication(&mut self, rng: &mut Rng, now: Instant) {
        if !matches!(self.stage, Stage::Establish) || !self.lcp.is_opened() {
            return;
        }
        if self.cause.is_some() {
            // One guess a call: to negotiate anew does not help after a Failure.
            return self.shut(now);
        }
        let Some(method) = self.lcp.options.method() else {
            return;
        };
        // Whatever the client said goodbye to before, it has come back.
        self.farewell = None;
        let limits = if method == Method::Pap { self.settings.pap } else { self.settings.chap };
        let (auth, step) = Authenticator::start(method, self.challenge_name(), limits, rng, now);
        self.stage = Stage::Authenticate(auth);
        self.echo = self.settings.keepalive.map(|keepalive| Echo {
            keepalive,
            waiting: false,
            missed: 0,
            due: now.after(keepalive.interval),
            sequence: 0,
        });
        self.settle_auth(step, now);
    }

    fn on_auth(&mut self, protocol: Protocol, payload: &[u8], rng: &mut Rng, now: Instant) {
        let Ok(packet) = Packet::decode(payload) else { return };
        self.log_packet(false, protocol, payload);
        let auth = match &mut self.stage {
            // LCP is not open: RFC 1661 §3.4 drops it.
            Stage::Establish | Stage::Finished => return,
            Stage::Authenticate(auth)
            | Stage::Refused { auth, .. }
            | Stage::Address { auth, .. }
            | Stage::Network { auth, .. } => auth,
        };
        if auth.method().protocol() != protocol {
            return;
        }
        let step = auth.receive(&packet, rng, now);
        self.settle_auth(step, now);
    }

    fn settle_auth(&mut self, step: AuthStep, now: Instant) {
        match step {
            AuthStep::Nothing => {}
            AuthStep::Send(packet) => self.send_auth(&packet),
            AuthStep::Judge(attempt) => self.outputs.push_back(Output::Authenticate(attempt)),
            AuthStep::Done(packet) => {
                self.send_auth(&packet);
                if let (Stage::Authenticate(auth), Some(admitted)) = (&self.stage, self.admitted.take()) {
                    let auth = auth.clone();
                    self.admit(auth, admitted.0, admitted.1, now);
                }
            }
            AuthStep::OtherType(number) => {
                let allowed = self.settings.auth.iter().map(|method| method.name().to_owned()).collect();
                let wanted = vec![format!("EAP type {number}")];
                self.fail(Cause::MethodRefused { wanted, allowed }, now);
            }
            AuthStep::NoAnswer => self.fail(Cause::NoAnswer { phase: Phase::Authentication }, now),
        }
    }

    /// Sends a packet of the method by which the client came, or is to come, in.
    fn send_auth(&mut self, packet: &[u8]) {
        let protocol = match &self.stage {
            Stage::Establish | Stage::Finished => return,
            Stage::Authenticate(auth)
            | Stage::Refused { auth, .. }
            | Stage::Address { auth, .. }
            | Stage::Network { auth, .. } => auth.method().protocol(),
        };
        self.send(protocol, packet);
    }

    fn begin_network(&mut self, auth: Authenticator, address: Ipv4Addr, now: Instant) {
        let given = |servers: &[Ipv4Addr]| -> Vec<Ipv4Addr> {
            if self.settings.ipcp_msext { servers.iter().take(2).copied().collect() } else { Vec::new() }
        };
        let ours = self.settings.ipcp_address.then_some(self.settings.our_address);
        let options =
            Ipcp::new(ours, address, given(&self.settings.dns), given(&self.settings.wins), self.lcp.options.peer.mru);
        let mut ipcp = Negotiation::new(options, self.settings.ipcp, false);
        let mut steps = Vec::new();
        ipcp.start(now, &mut steps);
        self.stage = Stage::Network { auth, ipcp, is_heard: false, ipv6cp: None };
        self.settle_ipcp(steps, now);
    }

    fn on_ipcp(&mut self, payload: &[u8], rng: &mut Rng, now: Instant) {
        // Before authentication is complete, network protocols are dropped (RFC 1661 §3.4).
        if !matches!(self.stage, Stage::Network { .. }) {
            return;
        }
        self.log_packet(false, Protocol::Ipcp, payload);
        let Stage::Network { ipcp, is_heard, .. } = &mut self.stage else {
            return;
        };
        let Ok(packet) = Packet::decode(payload) else { return };
        *is_heard = true;
        if packet.code == Code::TerminateRequest {
            self.farewell.get_or_insert_with(|| Box::new(Cause::peer_terminated(Phase::Ipcp, packet.data)));
        }
        let mut steps = Vec::new();
        ipcp.receive(&packet, rng, now, &mut steps);
        self.settle_ipcp(steps, now);
    }

    /// Data is the data path's affair, and dropped before IPCP is open (RFC 1661 §3.5); but it tells of the client.
    fn on_data(&mut self, now: Instant) {
        let Stage::Network { ipcp, .. } = &mut self.stage else { return };
        let mut steps = Vec::new();
        ipcp.peer_is_open(now, &mut steps);
        self.settle_ipcp(steps, now);
    }

    fn settle_ipcp(&mut self, steps: Vec<Step>, now: Instant) {
        for step in steps {
            match step {
                Step::Send(packet) => self.send(Protocol::Ipcp, &packet),
                Step::LayerStarted => {}
                Step::LayerUp => self.on_ipcp_up(),
                Step::LayerDown => {
                    self.set_up_until = Some(now.after(SET_UP));
                    self.outputs.push_back(Output::NetworkDown);
                }
                Step::LayerFinished => {
                    let silent = Cause::NoAnswer { phase: Phase::Ipcp };
                    let cause = self.farewell.take().map_or(silent, |cause| *cause);
                    self.fail(cause, now);
                }
                Step::Failed(fault) => {
                    self.fail(Cause::NegotiationFailed { phase: Phase::Ipcp, fault: Some(fault) }, now);
                }
            }
        }
    }

    fn on_ipcp_up(&mut self) {
        let Some(granted) = &self.granted else { return };
        let peer = &self.lcp.options.peer;
        let up = Up {
            address: granted.address,
            our_address: self.settings.our_address,
            peer_mru: peer.mru,
            user: granted.user.clone(),
            acfc: peer.acfc,
            pfc: peer.pfc,
            dns: if self.settings.ipcp_msext {
                self.settings.dns.iter().take(2).copied().collect()
            } else {
                Vec::new()
            },
        };
        self.farewell = None;
        self.set_up_until = None;
        self.log(Log::IpcpUp { local: up.our_address, remote: up.address });
        self.outputs.push_back(Output::NetworkUp(up));
    }

    fn on_unknown_protocol(&mut self, protocol: Protocol, payload: &[u8]) {
        // Before authentication is complete, everything else is dropped (RFC 1661 §3.4).
        if !matches!(self.stage, Stage::Network { .. } | Stage::Address { .. }) {
            return;
        }
        self.log_packet(false, protocol, payload);
        if let Some(packet) = self.lcp.protocol_reject(protocol, payload) {
            self.send(Protocol::Lcp, &packet);
        }
    }

    fn on_echo_timer(&mut self, now: Instant) {
        let own = self.granted.as_ref().map(|granted| granted.address).filter(|_| self.is_up());
        let fits = |(address, _): &&(Ipv4Addr, u16)| Some(*address) == own;
        let pings: Vec<(Ipv4Addr, u16)> = self.settings.pings.iter().filter(fits).copied().collect();
        let Some(echo) = &mut self.echo else { return };
        if !now.reached(echo.due) {
            return;
        }
        if !echo.keepalive.lcp && pings.is_empty() {
            // Nothing is asked of this client.
            echo.due = now.after(echo.keepalive.interval);
            return;
        }
        if echo.waiting {
            echo.missed += 1;
        }
        if echo.missed >= echo.keepalive.count {
            self.fail(Cause::EchoTimeout, now);
            // There is nobody who could answer our Terminate-Request.
            let cause = self.cause.take().map_or(Cause::EchoTimeout, |cause| *cause);
            return self.finish(cause);
        }
        echo.waiting = true;
        echo.due = now.after(echo.keepalive.retry_interval);
        echo.sequence = echo.sequence.wrapping_add(1);
        let (left, sequence, lcp) = (echo.keepalive.count - echo.missed, echo.sequence, echo.keepalive.lcp);
        if lcp {
            self.log_keepalive(Some(left), false);
            let packet = self.lcp.echo_request();
            self.send(Protocol::Lcp, &packet);
        }
        for (address, length) in pings {
            self.log_keepalive(Some(left), true);
            let packet = ping::request(self.settings.our_address, address, sequence, length);
            self.outputs.extend(packet.map(Output::SendIp));
        }
    }

    fn log_keepalive(&mut self, left: Option<u32>, icmp: bool) {
        if self.settings.log_keepalives {
            self.log(Log::Keepalive { left, icmp });
        }
    }

    /// Ends the link for this reason, unless there is one already.
    fn fail(&mut self, cause: Cause, now: Instant) {
        self.cause.get_or_insert_with(|| Box::new(cause));
        self.shut(now);
    }

    /// Ends the link in an orderly way.
    fn shut(&mut self, now: Instant) {
        let mut steps = Vec::new();
        self.lcp.close(now, &mut steps);
        self.settle_lcp(steps, now);
        if matches!(self.lcp.state(), State::Initial | State::Closed | State::Stopped) && !self.is_finished() {
            // There was nothing to terminate.
            let cause = self.cause.take().map_or(Cause::NoAnswer { phase: Phase::Lcp }, |cause| *cause);
            self.finish(cause);
        }
    }

    fn finish(&mut self, cause: Cause) {
        if self.is_finished() {
            return;
        }
        if self.is_up() {
            self.outputs.push_back(Output::NetworkDown);
        }
        self.ipv6_down();
        self.stage = Stage::Finished;
        self.echo = None;
        self.set_up_until = None;
        self.log(Log::Disconnected { cause: cause.clone() });
        self.outputs.push_back(Output::Finished { cause });
    }

    fn send(&mut self, protocol: Protocol, packet: &[u8]) {
        self.log_packet(true, protocol, packet);
        self.outputs.push_back(Output::Send(encode_frame(protocol, packet)));
    }

    fn log(&mut self, log: Log) {
        self.outputs.push_back(Output::Log(log));
    }

    fn log_packet(&mut self, sent: bool, protocol: Protocol, packet: &[u8]) {
        if let (true, &[code, id, ..]) = (self.settings.log_packets, packet) {
            let state = self.lcp.state();
            self.log(Log::Packet { sent, protocol: u16::from(protocol), code, id, state });
        }
    }
}
