//! What an operator asks to see or have done, as values.

use crate::config::PpRef;
use crate::text::Text;
use std::net::Ipv4Addr;

/// One request of an operator, for the running server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// `show status l2tp [tunnel N]`: every tunnel and its session, or one.
    ShowStatusL2tp(Option<u32>),
    /// `show status pp [N|anonymous]`: who is on, at the selected interface where none is named.
    ShowStatusPp(Option<PpRef>),
    /// `show status tunnel [N|up|down|name=TEXT]`: the state of tunnel interfaces.
    ShowStatusTunnel(Tunnels),
    /// `show status user`: which operators are on.
    ShowStatusUser,
    /// `show ipsec sa [ID]`: every ISAKMP and IPsec SA, or one.
    ShowIpsecSa(Option<u32>),
    /// `show ipsec sa gateway [G] [detail]`: the SAs of gateways.
    ShowIpsecSaGateway {
        /// The gateway, where one is named.
        gateway: Option<u32>,
        /// Whether each SA is shown whole.
        detail: bool,
    },
    /// `show status WORD`: the screen of a room of its own.
    ShowStatusOf(&'static str),
    /// `show status fastpath`: what carries packets, how many at a time, and what went no further.
    ShowStatusFastpath,
    /// `show config`: the running configuration.
    ShowConfig(Part),
    /// `show log [saved] [reverse]`, `less log`: what has happened.
    ShowLog {
        /// What had happened before the start.
        saved: bool,
        /// Newest first.
        reverse: bool,
    },
    /// `clear log`: forget what has happened.
    ClearLog,
    /// `show arp [IF]`: neighbours on the LANs, or behind one interface.
    ShowArp(Option<String>),
    /// `clear arp`: forget the neighbours.
    ClearArp,
    /// `show ip route [A|detail|summary]`: the routes.
    ShowIpRoute(Routes),
    /// `show account [pp [N|anonymous]]`: how many calls there were.
    ShowAccount(Option<PpRef>),
    /// `show account tunnel [N]`: how many calls came through tunnels.
    ShowAccountTunnel(Option<u32>),
    /// `clear account [pp [N|anonymous]]`: count calls anew.
    ClearAccount(Option<PpRef>),
    /// `show pp connect time [N|anonymous]`: how long calls last.
    ShowPpConnectTime(Option<PpRef>),
    /// `show command history [N]`: what the operator has typed, the latest lines where a number is named.
    ShowHistory(Option<u32>),
    /// `show status user history`: who has been on.
    ShowUserHistory,
    /// `show config list`: the file that `save` writes.
    ShowConfigList,
    /// `show environment`: the machine and the program.
    ShowEnvironment,
    /// `show techinfo`: everything that a supporter needs, without secrets.
    ShowTechinfo,
    /// `show command`: every command.
    ShowCommand,
    /// `show copyright`: whose software it is.
    ShowCopyright,
    /// `disconnect …`: end sessions by hand.
    Disconnect(Which),
    /// `connect …`: refused, since this server calls nobody.
    Connect,
    /// `ipsec sa delete ID|all`: end SAs, and tell the peers.
    DeleteSa(Option<u32>),
    /// `ipsec refresh sa`: end all SAs without telling the peers.
    RefreshSa,
    /// `administrator`: become administrator.
    Administrator,
    /// `quit`, `exit`: leave; with `save`, after saving.
    Quit {
        /// Whether changes are saved without a question.
        save: bool,
    },
    /// `disconnect user NAME[/TYPE [NO]]`: end operators' sessions, one where a number is named.
    DisconnectUser {
        /// The name; empty for those who gave none.
        name: String,
        /// The session's number, as `show status user` prints it.
        number: Option<u32>,
    },
    /// `save [0]`: write the running configuration into its file.
    Save,
    /// Something of the router that is done in another way here: which, and how.
    Elsewhere(Text),
    /// `reload`: read the configuration file again.
    Reload,
    /// `help`: what can be asked.
    Help,
}

impl Request {
    /// Whether it only looks.
    pub fn shows(&self) -> bool {
        match self {
            Self::ShowStatusL2tp(_)
            | Self::ShowStatusPp(_)
            | Self::ShowStatusTunnel(_)
            | Self::ShowStatusUser
            | Self::ShowStatusOf(_)
            | Self::ShowStatusFastpath
            | Self::ShowIpsecSa(_)
            | Self::ShowIpsecSaGateway { .. }
            | Self::ShowConfig(_)
            | Self::ShowLog { .. }
            | Self::ShowArp(_)
            | Self::ShowIpRoute(_)
            | Self::ShowAccount(_)
            | Self::ShowAccountTunnel(_)
            | Self::ShowHistory(_)
            | Self::ShowUserHistory
            | Self::ShowConfigList
            | Self::ShowPpConnectTime(_)
            | Self::ShowEnvironment
            | Self::ShowTechinfo
            | Self::ShowCommand
            | Self::ShowCopyright
            | Self::Help => true,
            Self::ClearLog
            | Self::ClearAccount(_)
            | Self::ClearArp
            | Self::DisconnectUser { .. }
            | Self::Elsewhere(_)
            | Self::Disconnect(_)
            | Self::Connect
            | Self::DeleteSa(_)
            | Self::RefreshSa
            | Self::Administrator
            | Self::Quit { .. }
            | Self::Save
            | Self::Reload => false,
        }
    }
}

/// Which sessions a `disconnect` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `disconnect all`: every session.
    All,
    /// `disconnect anonymousN`: the session of instance N.
    Anonymous(u32),
    /// `disconnect anonymous`: every session of the anonymous interface.
    AllAnonymous,
    /// `disconnect N` or `disconnect pp N`: the session of the numbered interface.
    Pp(u32),
}

/// Which routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routes {
    /// All.
    All,
    /// How many of each kind.
    Summary,
    /// Those that a packet to this address may take, the one that it takes first.
    To(Ipv4Addr),
}

/// Which tunnel interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tunnels {
    /// The selected one; all where none is selected.
    Selected,
    /// This one.
    Number(u32),
    /// Those that are connected.
    Up,
    /// Those that are not.
    Down,
    /// Those whose description is this.
    Named(String),
}

/// Which part of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// What the file holds (`show config 0`).
    Saved,
    /// One interface, the selected one where none is named.
    Pp(Option<PpRef>),
    /// The numbered interfaces from the first to the last.
    Pps(u32, u32),
    /// The tunnels from the first to the last, the selected one where no number is named.
    Tunnel {
        /// Their numbers.
        numbers: Option<(u32, u32)>,
        /// With the lines that a template gives them.
        expand: bool,
    },
}
