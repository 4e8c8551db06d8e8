//! What can be wrong with a tunnel, and the words for it.

use crate::check::name;
use crate::config::PpRef;
use crate::problem::Severity;

/// What can be wrong with a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Finding {
    BoundTwice,
    Undefined,
    NotL2tp,
    Disabled,
    Unbound,
    NoPolicyNumber,
    NoPolicy,
    Ah,
    NoTransport,
    NoKey,
    NoRemote,
    NoNatTraversal,
    ShortIdle,
}

impl Finding {
    pub(super) const fn severity(self) -> Severity {
        match self {
            Self::BoundTwice
            | Self::NoPolicyNumber
            | Self::NoPolicy
            | Self::Ah
            | Self::NoTransport
            | Self::NoKey
            | Self::NoRemote => Severity::Error,
            Self::Undefined
            | Self::NotL2tp
            | Self::Disabled
            | Self::Unbound
            | Self::NoNatTraversal
            | Self::ShortIdle => Severity::Warning,
        }
    }

    /// The row of the tunnel that it is nearest to.
    pub(super) const fn nearest(self) -> &'static str {
        match self {
            Self::NoPolicy | Self::Ah | Self::NoTransport | Self::NoKey | Self::NoRemote | Self::NoNatTraversal => {
                "ipsec tunnel"
            }
            Self::ShortIdle | Self::NotL2tp | Self::Disabled | Self::NoPolicyNumber => "tunnel encapsulation",
            Self::BoundTwice | Self::Undefined | Self::Unbound => "tunnel enable",
        }
    }

    /// What is said of one tunnel, of several, and what to do.
    pub(super) fn words(
        self,
        number: u32,
        policy: u32,
        gateway: u32,
        owner: PpRef,
    ) -> (&'static str, &'static str, String) {
        match self {
            Self::BoundTwice => (
                "is bound to two interfaces",
                "are bound to two interfaces",
                "name each tunnel in one pp bind only".to_owned(),
            ),
            Self::Undefined => (
                "is bound but not defined",
                "are bound but not defined",
                format!(
                    "define it with tunnel select {number}, give it by a tunnel template, or take it out of pp bind"
                ),
            ),
            Self::NotL2tp => (
                "is bound but its encapsulation is not l2tp",
                "are bound but their encapsulation is not l2tp",
                format!("write tunnel encapsulation l2tp after tunnel select {number}"),
            ),
            Self::Disabled => {
                ("is bound but not enabled", "are bound but not enabled", format!("add tunnel enable {number}"))
            }
            Self::Unbound => (
                "is enabled but bound to no interface",
                "are enabled but bound to no interface",
                format!("add tunnel{number} to pp bind of pp {}", name(owner)),
            ),
            Self::NoPolicyNumber => (
                "has no SA policy",
                "have no SA policy",
                format!("add ipsec tunnel {number} and ipsec sa policy {number} {number} esp aes-cbc sha-hmac"),
            ),
            Self::NoPolicy => (
                "uses an SA policy that is not there",
                "use SA policies that are not there",
                format!("add ipsec sa policy {policy} {number} esp aes-cbc sha-hmac"),
            ),
            Self::Ah => (
                "uses an AH policy, which cannot carry L2TP",
                "use AH policies, which cannot carry L2TP",
                format!("write ipsec sa policy {policy} {gateway} esp aes-cbc sha-hmac"),
            ),
            Self::NoTransport => (
                "has no ipsec transport for its policy, so clients are refused",
                "have no ipsec transport for their policies, so clients are refused",
                format!("add ipsec transport {number} {policy} udp 1701, and ipsec transport template for several"),
            ),
            Self::NoKey => (
                "has no pre-shared key",
                "have no pre-shared key",
                format!("add ipsec ike pre-shared-key {gateway} text KEY"),
            ),
            Self::NoRemote => (
                "does not say which clients may come",
                "do not say which clients may come",
                format!("add ipsec ike remote address {gateway} any"),
            ),
            Self::NoNatTraversal => (
                "does not do NAT traversal, so clients behind a NAT cannot connect",
                "do not do NAT traversal, so clients behind a NAT cannot connect",
                format!("add ipsec ike nat-traversal {gateway} on"),
            ),
            Self::ShortIdle => (
                "is cut after 60 seconds without data",
                "are cut after 60 seconds without data",
                "write l2tp tunnel disconnect time off, or the seconds that you want".to_owned(),
            ),
        }
    }

    /// What is said after the numbers of the tunnels, in Japanese, and what to do.
    pub(super) fn japanese(self, number: u32, policy: u32, gateway: u32, owner: PpRef) -> String {
        match self {
            Self::BoundTwice => {
                "は2つのインタフェースにバインドされています。1つのpp bindだけに書いてください".to_owned()
            }
            Self::Undefined => format!(
                "はバインドされていますが定義がありません。tunnel select {number}かtunnel templateで定義するか、pp bindから除いてください"
            ),
            Self::NotL2tp => format!(
                "はバインドされていますが種類がl2tpではありません。tunnel select {number}の後にtunnel encapsulation l2tpと書いてください"
            ),
            Self::Disabled => {
                format!("はバインドされていますが有効ではありません。tunnel enable {number}を加えてください")
            }
            Self::Unbound => format!(
                "は有効ですがバインドされていません。pp {}のpp bindにtunnel{number}を加えてください",
                name(owner)
            ),
            Self::NoPolicyNumber => format!(
                "にSAポリシーがありません。ipsec tunnel {number}とipsec sa policy {number} {number} esp aes-cbc sha-hmacを加えてください"
            ),
            Self::NoPolicy => format!(
                "のSAポリシーがありません。ipsec sa policy {policy} {number} esp aes-cbc sha-hmacを加えてください"
            ),
            Self::Ah => format!(
                "のポリシーはAHで、L2TPを運べません。ipsec sa policy {policy} {gateway} esp aes-cbc sha-hmacと書いてください"
            ),
            Self::NoTransport => format!(
                "のポリシーにipsec transportがないため接続できません。ipsec transport {number} {policy} udp 1701(複数ならipsec transport templateも)を加えてください"
            ),
            Self::NoKey => {
                format!("に事前共有鍵がありません。ipsec ike pre-shared-key {gateway} text KEYを加えてください")
            }
            Self::NoRemote => {
                format!("に相手のアドレスがありません。ipsec ike remote address {gateway} anyを加えてください")
            }
            Self::NoNatTraversal => format!(
                "はNATトラバーサルを使わないため、NATの内側からは接続できません。ipsec ike nat-traversal {gateway} onを加えてください"
            ),
            Self::ShortIdle => {
                "は60秒間データがないと切れます。l2tp tunnel disconnect time off、または秒数を書いてください".to_owned()
            }
        }
    }
}
