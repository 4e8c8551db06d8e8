//! What an operator asks to see or have done, as values.

use crate::config::PpRef;

/// One request of an operator, for the running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// `show status l2tp [tunnel N]`: every tunnel and its session, or one.
    ShowStatusL2tp(Option<u32>),
    /// `show status pp [N|anonymous]`: who is on, at the selected interface where none is named.
    ShowStatusPp(Option<PpRef>),
    /// `show status tunnel [N|up|down]`: the state of tunnel interfaces.
    ShowStatusTunnel(Tunnels),
    /// `show status user`: which operators are on.
    ShowStatusUser,
    /// `show ipsec sa`: every ISAKMP and IPsec SA.
    ShowIpsecSa,
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
    /// `show log [reverse]`, `less log`: what has happened.
    ShowLog {
        /// Newest first.
        reverse: bool,
    },
    /// `clear log`: forget what has happened.
    ClearLog,
    /// `show arp`: neighbours on the LANs.
    ShowArp,
    /// `show ip route`: the routes.
    ShowIpRoute,
    /// `show account [pp [N|anonymous]]`: how many calls there were.
    ShowAccount(Option<PpRef>),
    /// `clear account`: count calls anew.
    ClearAccount,
    /// `show pp connect time [N|anonymous]`: how long calls last.
    ShowPpConnectTime(Option<PpRef>),
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
    /// `save`: write the running configuration into its file.
    Save,
    /// `reload`: read the configuration file again.
    Reload,
    /// `help`: what can be asked.
    Help,
}

impl Request {
    /// Whether it only looks.
    pub fn shows(self) -> bool {
        match self {
            Self::ShowStatusL2tp(_)
            | Self::ShowStatusPp(_)
            | Self::ShowStatusTunnel(_)
            | Self::ShowStatusUser
            | Self::ShowStatusOf(_)
            | Self::ShowStatusFastpath
            | Self::ShowIpsecSa
            | Self::ShowIpsecSaGateway { .. }
            | Self::ShowConfig(_)
            | Self::ShowLog { .. }
            | Self::ShowArp
            | Self::ShowIpRoute
            | Self::ShowAccount(_)
            | Self::ShowPpConnectTime(_)
            | Self::ShowEnvironment
            | Self::ShowTechinfo
            | Self::ShowCommand
            | Self::ShowCopyright
            | Self::Help => true,
            Self::ClearLog
            | Self::ClearAccount
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

/// Which tunnel interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnels {
    /// The selected one; all where none is selected.
    Selected,
    /// This one.
    Number(u32),
    /// Those that are connected.
    Up,
    /// Those that are not.
    Down,
}

/// Which part of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// The interfaces from this number to that, the selected one where no number is named.
    Pp(Option<PpRef>),
    /// One tunnel, the selected one where no number is named.
    Tunnel {
        /// Its number.
        number: Option<u32>,
        /// With the lines that a template gives it.
        expand: bool,
    },
}
