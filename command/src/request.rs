//! What an operator asks to see or have done, as values.

/// One request of an operator, for the running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// `show status l2tp`: every tunnel and its session.
    ShowStatusL2tp,
    /// `show status pp anonymous`: every instance of the anonymous interface.
    ShowStatusPp,
    /// `show ipsec sa`: every ISAKMP and IPsec SA.
    ShowIpsecSa,
    /// `show status fastpath`: what carries packets, how many at a time, and what went no further.
    ShowStatusFastpath,
    /// `show config`: the running configuration.
    ShowConfig,
    /// `disconnect …`: end sessions by hand.
    Disconnect(Which),
    /// `help`: what can be asked.
    Help,
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
