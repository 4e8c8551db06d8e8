//! The words of the L2TP log, as the operator knows them from his router.

use super::Settings;
use super::cause::words;
use super::message::Received;
use super::reliable::Leaving;
use core::fmt;
use core::net::IpAddr;
use wire::l2tp::{Avp, AvpType, DisconnectCause, MessageType, ResultCode, decode_avps};

/// Longest text of a peer that a log line repeats, in characters.
const LONGEST_TEXT: usize = 64;

/// How loud a line is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// The life of tunnels and sessions.
    Info,
    /// Single messages.
    Debug,
}

/// What is wrong with a tunnel's secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slip {
    /// The client has another.
    Differs,
    /// The client has none, or does not prove that it has one.
    NotThere,
    /// The client has another, and found that out itself.
    Refuses,
    /// The client asks for a proof, and there is no secret here.
    Unasked,
    /// The client was asked for a proof, and nothing came.
    Silent,
}

/// One line of the L2TP log, without its `[L2TP] ` at the front.
///
/// `number` is that of the tunnel interface, `id` is the server's own tunnel or session id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum L2tpLog {
    /// UDP port 1701 was opened; the spelling is the router's.
    PortOpened,
    /// UDP port 1701 was closed.
    PortClosed,
    /// No tunnel interface fits the connection.
    NoTunnel,
    /// No pp interface is bound to the tunnel, or the bound one is in use.
    NoPp,
    /// An SCCRQ arrived.
    Connected {
        /// Tunnel interface.
        number: u32,
        /// The client.
        peer: IpAddr,
    },
    /// The tunnel is up.
    TunnelEstablished {
        /// Tunnel interface.
        number: u32,
        /// Local tunnel id.
        id: u16,
    },
    /// The session is up.
    SessionEstablished {
        /// Tunnel interface.
        number: u32,
        /// Local session id.
        id: u16,
    },
    /// The server takes the tunnel down.
    Disconnecting {
        /// Tunnel interface.
        number: u32,
        /// Local tunnel id.
        id: u16,
    },
    /// The tunnel has been removed.
    TunnelDisconnected {
        /// Tunnel interface.
        number: u32,
        /// Local tunnel id.
        id: u16,
    },
    /// The session has been removed.
    SessionDisconnected {
        /// Tunnel interface.
        number: u32,
        /// Local session id.
        id: u16,
    },
    /// A message that was waited for did not come.
    StateTimer {
        /// The message.
        waiting: MessageType,
    },
    /// No data for `l2tp tunnel disconnect time`.
    DisconnectTimer {
        /// Local tunnel id.
        id: u16,
    },
    /// The peer answers no HELLO.
    KeepaliveTimer {
        /// Local tunnel id.
        id: u16,
    },
    /// Tunnel authentication failed.
    AuthenticationError {
        /// Local tunnel id.
        id: u16,
    },
    /// Why tunnel authentication failed, and what to do about it.
    WrongSecret {
        /// Tunnel interface.
        number: u32,
        /// The client.
        peer: IpAddr,
        /// What is wrong.
        slip: Slip,
    },
    /// The client has said why its PPP ended.
    PppEnded {
        /// Tunnel interface.
        number: u32,
        /// Local session id.
        id: u16,
        /// What it said.
        cause: DisconnectCause,
    },
    /// The client asks for more sessions than a tunnel may have.
    Full {
        /// Tunnel interface.
        number: u32,
        /// How many it may have.
        sessions: u16,
    },
    /// Heading over the AVPs of a received message.
    RecvAvps,
    /// One received AVP, such as `(9)assigned tunnel id 61471`.
    RecvAvp(String),
    /// A received message.
    Recv {
        /// Its type.
        message: MessageType,
        /// The state of the tunnel or the session before it.
        state: &'static str,
        /// The client.
        peer: IpAddr,
    },
    /// Heading over the AVPs of a message that is sent.
    SendAvps {
        /// Which one: the heading of a StopCCN is spelled otherwise.
        message: MessageType,
    },
    /// One AVP that is sent, such as `(9)assigned tunnel id 32882`.
    SetAvp(String),
    /// A message was sent.
    Send {
        /// Its type.
        message: MessageType,
        /// The client.
        peer: IpAddr,
    },
    /// An acknowledgement was sent.
    SendZlb {
        /// The client.
        peer: IpAddr,
    },
    /// A HELLO of the keepalive is made.
    KeepaliveSet,
    /// A HELLO of the keepalive was sent.
    KeepaliveSent {
        /// The client.
        peer: IpAddr,
    },
    /// A HELLO of the keepalive was acknowledged.
    RecvZlb {
        /// The client.
        peer: IpAddr,
    },
    /// A HELLO of the keepalive was not answered in time.
    KeepaliveTimeout {
        /// How many may yet go unanswered, the one just missed included.
        count: u32,
    },
    /// A HELLO of the client arrived.
    RecvHello {
        /// The client.
        peer: IpAddr,
    },
    /// Why a message of the client ends its tunnel or session.
    Refused(String),
}

impl L2tpLog {
    /// How loud the line is.
    pub fn level(&self) -> Level {
        match self {
            Self::PortOpened
            | Self::PortClosed
            | Self::Connected { .. }
            | Self::TunnelEstablished { .. }
            | Self::SessionEstablished { .. }
            | Self::Disconnecting { .. }
            | Self::TunnelDisconnected { .. }
            | Self::SessionDisconnected { .. }
            | Self::StateTimer { .. }
            | Self::DisconnectTimer { .. }
            | Self::KeepaliveTimer { .. }
            | Self::AuthenticationError { .. }
            | Self::WrongSecret { .. }
            | Self::PppEnded { .. }
            | Self::Full { .. } => Level::Info,
            Self::NoTunnel
            | Self::NoPp
            | Self::RecvAvps
            | Self::RecvAvp(_)
            | Self::Recv { .. }
            | Self::SendAvps { .. }
            | Self::SetAvp(_)
            | Self::Send { .. }
            | Self::SendZlb { .. }
            | Self::KeepaliveSet
            | Self::KeepaliveSent { .. }
            | Self::RecvZlb { .. }
            | Self::KeepaliveTimeout { .. }
            | Self::RecvHello { .. }
            | Self::Refused(_) => Level::Debug,
        }
    }
}

impl fmt::Display for L2tpLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortOpened => write!(f, "opend port 1701/udp"),
            Self::PortClosed => write!(f, "closed port 1701/udp"),
            Self::NoTunnel => write!(f, "can't find tunnel number"),
            Self::NoPp => write!(f, "can't find valid pp interface"),
            Self::Connected { number, peer } => write!(f, "TUNNEL[{number}] connected from {peer}"),
            Self::TunnelEstablished { number, id } => write!(f, "TUNNEL[{number}] tunnel {id} established"),
            Self::SessionEstablished { number, id } => write!(f, "TUNNEL[{number}] session {id} established"),
            Self::Disconnecting { number, id } => write!(f, "TUNNEL[{number}] disconnecting tunnel {id}"),
            Self::TunnelDisconnected { number, id } => write!(f, "TUNNEL[{number}] disconnect tunnel {id} complete"),
            Self::SessionDisconnected { number, id } => write!(f, "TUNNEL[{number}] disconnect session {id} complete"),
            Self::StateTimer { waiting } => write!(f, "state timer expired for waiting {}", name(*waiting)),
            Self::DisconnectTimer { id } => write!(f, "disconnect timer expired tunnel {id}"),
            Self::KeepaliveTimer { id } => write!(f, "keepalive timer expired tunnel {id}"),
            Self::AuthenticationError { id } => write!(f, "authentication error tunnel {id}"),
            Self::WrongSecret { number, peer, slip } => {
                write!(f, "TUNNEL[{number}] {peer} is refused: ")?;
                f.write_str(match slip {
                    Slip::Differs | Slip::Refuses => {
                        "its L2TP secret differs from that of 'l2tp tunnel auth'; enter the same in the client \
                         (mind blanks, upper and lower case)"
                    }
                    Slip::NotThere => {
                        "it does not prove that it knows the secret of 'l2tp tunnel auth'; enter the secret in the \
                         client, or 'l2tp tunnel auth off' here if it has no field for one"
                    }
                    Slip::Silent => {
                        "nothing came after the challenge of 'l2tp tunnel auth'; it may have another secret, or none: \
                         enter the same in the client"
                    }
                    Slip::Unasked => {
                        "it has an L2TP secret and here is none; take it out of the client, or enter the same here: \
                         'l2tp tunnel auth on SECRET'"
                    }
                })
            }
            Self::PppEnded { number, id, cause } => {
                let words = words(cause.code, cause.direction).unwrap_or("no reason that is known");
                write!(
                    f,
                    "TUNNEL[{number}] session {id}: the client says why PPP ended: {words} (code {})",
                    cause.code
                )?;
                match printable(cause.message.as_bytes()).as_str() {
                    "" => Ok(()),
                    text => write!(f, " '{text}'"),
                }
            }
            Self::Full { number, sessions: 1 } => write!(
                f,
                "TUNNEL[{number}] the client's second session is refused: the tunnel is bound to a numbered pp, which \
                 serves one; 'pp bind' it to the anonymous one for more"
            ),
            Self::Full { number, sessions } => write!(
                f,
                "TUNNEL[{number}] one more session of the client is refused: a tunnel has {sessions} at most; it may \
                 open another tunnel"
            ),
            Self::RecvAvps => write!(f, "recv message AVPs :"),
            Self::RecvAvp(text) => write!(f, "  {text}"),
            Self::Recv { message, state, peer } => write!(f, "recv {} in {state} from {peer}", name(*message)),
            Self::SendAvps { message: MessageType::StopCcn } => write!(f, "send Message AVPs :"),
            Self::SendAvps { .. } => write!(f, "send message AVPs :"),
            Self::SetAvp(text) => write!(f, "  set {text}"),
            Self::Send { message, peer } => write!(f, "send {} to {peer}", name(*message)),
            Self::SendZlb { peer } => write!(f, "send ZLB to {peer}"),
            Self::KeepaliveSet => write!(f, "set (0)message type HELLO"),
            Self::KeepaliveSent { peer } => write!(f, "keepalive HELLO send to {peer}"),
            Self::RecvZlb { peer } => write!(f, "recv ZLB from {peer}"),
            Self::KeepaliveTimeout { count } => write!(f, "keepalive timeout count={count}"),
            Self::RecvHello { peer } => write!(f, "recv HELLO from {peer}"),
            Self::Refused(why) => write!(f, "refuse {why}"),
        }
    }
}

/// The lines of a received message, which came in `state`.
pub(super) fn received_lines(received: &Received, state: &'static str, settings: &Settings) -> Vec<L2tpLog> {
    let avps = received.raw.iter().map(|avp| L2tpLog::RecvAvp(received_avp(received.kind, avp)));
    let mut lines = vec![L2tpLog::RecvAvps];
    lines.extend(avps);
    lines.push(L2tpLog::Recv { message: received.kind, state, peer: settings.peer });
    lines
}

/// The lines of a sent message. One that leaves again is one line; its AVPs are in the log already.
pub(super) fn sent_lines(leaving: &Leaving, settings: &Settings) -> Vec<L2tpLog> {
    let peer = settings.peer;
    let avps = decode_avps(&leaving.body).unwrap_or_default();
    let Some(message) = avps.first().and_then(Avp::as_u16).map(MessageType::from) else {
        return vec![L2tpLog::SendZlb { peer }];
    };
    let mut lines = vec![];
    if !leaving.again {
        lines.push(L2tpLog::SendAvps { message });
        lines.extend(avps.iter().map(|avp| L2tpLog::SetAvp(set_avp(avp))));
    }
    lines.push(L2tpLog::Send { message, peer });
    lines
}

/// The name of a message (RFC 2661 §3.2).
pub(super) fn name(message: MessageType) -> String {
    match message {
        MessageType::Sccrq => "SCCRQ",
        MessageType::Sccrp => "SCCRP",
        MessageType::Scccn => "SCCCN",
        MessageType::StopCcn => "StopCCN",
        MessageType::Hello => "HELLO",
        MessageType::Ocrq => "OCRQ",
        MessageType::Ocrp => "OCRP",
        MessageType::Occn => "OCCN",
        MessageType::Icrq => "ICRQ",
        MessageType::Icrp => "ICRP",
        MessageType::Iccn => "ICCN",
        MessageType::Cdn => "CDN",
        MessageType::Wen => "WEN",
        MessageType::Sli => "SLI",
        MessageType::Unknown(n) => return format!("{n}"),
    }
    .into()
}

/// A text of the peer, fit for a log line: without what would not print, and not too long.
pub(super) fn printable(octets: &[u8]) -> String {
    let text = octets.split(|&octet| octet == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    text.chars().take(LONGEST_TEXT).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The words for an AVP of a received `message`, such as `(9)assigned tunnel id 61471`.
fn received_avp(message: MessageType, avp: &Avp) -> String {
    if avp.vendor != 0 {
        return format!("({}:{})vendor specific", avp.vendor, u16::from(avp.kind));
    }
    let kind = u16::from(avp.kind);
    if avp.hidden {
        return format!("({kind})hidden");
    }
    let words = match avp.kind {
        AvpType::ResultCode => ResultCode::decode(&avp.value).ok().map(|code| format!("result code {}", code.result)),
        AvpType::FramingCapabilities => avp.as_u32().map(|bits| {
            format!("framing capability Abit:{} Sbit:{}", u8::from(bits & 2 != 0), u8::from(bits & 1 != 0))
        }),
        AvpType::AssignedTunnelId if message == MessageType::StopCcn => {
            avp.as_u16().map(|id| format!("assigned StopCCN tunnel id {id}"))
        }
        _ => value(avp),
    };
    format!("({kind}){}", words.unwrap_or_else(|| "malformed".into()))
}

/// The words for an AVP that is sent, such as `(9)assigned tunnel id 32882`.
fn set_avp(avp: &Avp) -> String {
    let words = match avp.kind {
        AvpType::ResultCode => ResultCode::decode(&avp.value).ok().map(|code| format!("resultcode {}", code.result)),
        AvpType::FramingCapabilities => avp.as_u32().map(|bits| {
            let kind = match bits & 3 {
                1 => "sync",
                2 => "async",
                _ => "sync async",
            };
            format!("framing capability {kind}")
        }),
        _ => value(avp),
    };
    format!("({}){}", u16::from(avp.kind), words.unwrap_or_default())
}

/// The words that are alike in both directions; `None` if the value cannot be read.
fn value(avp: &Avp) -> Option<String> {
    let number = |what: &str| avp.as_u32().map(|n| format!("{what} {n}"));
    let id = |what: &str| avp.as_u16().map(|n| format!("{what} {n}"));
    let text = |what: &str| Some(format!("{what} {}", printable(&avp.value)));
    let speed = |what: &str| avp.as_u32().map(|bps| format!("{what} {}", rate(bps)));
    match avp.kind {
        AvpType::MessageType => avp.as_u16().map(|n| format!("message type {}", name(n.into()))),
        AvpType::ProtocolVersion => avp.as_u16().map(|n| format!("protocol version {} revision {}", n >> 8, n & 0xff)),
        AvpType::BearerCapabilities => number("bearer capability"),
        AvpType::TieBreaker => Some("tie breaker".into()),
        AvpType::FirmwareRevision => avp.as_u16().map(|n| format!("firmware revision {n:#x}")),
        AvpType::HostName => text("hostname"),
        AvpType::VendorName => text("vendorname"),
        AvpType::AssignedTunnelId => id("assigned tunnel id"),
        AvpType::ReceiveWindowSize => id("receive window size"),
        AvpType::Challenge => Some("challenge".into()),
        AvpType::Q931CauseCode => Some("q.931 cause code".into()),
        AvpType::ChallengeResponse => Some("challenge response".into()),
        AvpType::AssignedSessionId => id("assigned session id"),
        AvpType::CallSerialNumber => number("call serial number"),
        AvpType::MinimumBps => speed("minimum bps"),
        AvpType::MaximumBps => speed("maximum bps"),
        AvpType::BearerType => number("bearer type"),
        AvpType::FramingType => number("framing type"),
        AvpType::CalledNumber => text("called number"),
        AvpType::CallingNumber => text("calling number"),
        AvpType::SubAddress => text("sub-address"),
        AvpType::TxConnectSpeed => speed("tx connect speed"),
        AvpType::PhysicalChannelId => number("physical channel id"),
        AvpType::RandomVector => Some("random vector".into()),
        AvpType::PrivateGroupId => Some("private group id".into()),
        AvpType::RxConnectSpeed => speed("rx connect speed"),
        AvpType::SequencingRequired => Some("sequencing required".into()),
        AvpType::PppDisconnectCause => {
            let cause = DisconnectCause::decode(&avp.value).ok()?;
            let DisconnectCause { code, protocol, direction, .. } = cause;
            Some(format!("ppp disconnect cause {code} protocol {protocol:04x} direction {direction}"))
        }
        AvpType::Unknown(_) => Some("unknown".into()),
        _ => Some("not used".into()),
    }
}

/// A line speed in bit/s as the router writes it.
fn rate(bps: u32) -> String {
    match bps {
        0 => "0bit/s".into(),
        _ if bps.is_multiple_of(1_000_000) => format!("{}Mbit/s", bps / 1_000_000),
        _ if bps.is_multiple_of(1000) => format!("{}kbit/s", bps / 1000),
        _ => format!("{bps}bit/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_with_a_nul_or_an_escape_cannot_disturb_the_log() {
        assert_eq!(printable(b"iPhone\0"), "iPhone");
        assert_eq!(printable(b"a\x1b[2Jb\nc"), "a?[2Jb?c");
        assert_eq!(printable(&[0xff, b'x']), "\u{fffd}x");
        assert_eq!(printable(&[b'a'; 1000]).len(), LONGEST_TEXT);
        assert_eq!(printable(b""), "");
    }

    #[test]
    fn speeds_are_written_as_the_router_writes_them() {
        assert_eq!(rate(100_000_000), "100Mbit/s");
        assert_eq!(rate(64_000), "64kbit/s");
        assert_eq!(rate(33_611), "33611bit/s");
        assert_eq!(rate(0), "0bit/s");
    }

    #[test]
    fn the_words_of_the_table_are_kept_to_the_letter() {
        let peer = IpAddr::from([203, 0, 113, 1]);
        let lines = [
            (L2tpLog::PortOpened, Level::Info, "opend port 1701/udp"),
            (L2tpLog::PortClosed, Level::Info, "closed port 1701/udp"),
            (L2tpLog::NoTunnel, Level::Debug, "can't find tunnel number"),
            (L2tpLog::NoPp, Level::Debug, "can't find valid pp interface"),
            (L2tpLog::Connected { number: 1, peer }, Level::Info, "TUNNEL[1] connected from 203.0.113.1"),
            (L2tpLog::Disconnecting { number: 3, id: 4795 }, Level::Info, "TUNNEL[3] disconnecting tunnel 4795"),
            (L2tpLog::StateTimer { waiting: MessageType::Iccn }, Level::Info, "state timer expired for waiting ICCN"),
            (L2tpLog::DisconnectTimer { id: 7 }, Level::Info, "disconnect timer expired tunnel 7"),
            (L2tpLog::KeepaliveTimer { id: 7 }, Level::Info, "keepalive timer expired tunnel 7"),
            (L2tpLog::AuthenticationError { id: 7 }, Level::Info, "authentication error tunnel 7"),
        ];
        for (line, level, words) in lines {
            assert_eq!(line.to_string(), words);
            assert_eq!(line.level(), level);
        }
    }
}
