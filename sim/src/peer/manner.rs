//! How a simulated client behaves: what it offers and the habits of its kind (clients.md).

/// A transform of phase 1 by its numbers: cipher, key bits, hash, group.
pub type Phase1Offer = (u16, Option<u16>, u16, u16);
/// A transform of phase 2 by its numbers: transform id, key bits, authentication.
pub type Phase2Offer = (u8, Option<u16>, u16);

/// The manners of one client.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Offers of phase 1, in order.
    pub phase1: Vec<Phase1Offer>,
    /// Offers of phase 2, in order.
    pub phase2: Vec<Phase2Offer>,
    /// Group for perfect forward secrecy, by its number.
    pub pfs: Option<u16>,
    /// The pre-shared key.
    pub psk: Vec<u8>,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// It uses Aggressive Mode and gives itself this name: the number of its type, and its octets.
    pub aggressive: Option<(u8, Vec<u8>)>,
    /// It sends message 3 of Aggressive Mode in the clear (Android).
    pub clear_proof: bool,
    /// NAT traversal is offered.
    pub natt: bool,
    /// It says that it is behind a NAT though it is not.
    pub pretends_nat: bool,
    /// UDP port of L2TP inside ESP.
    pub l2tp_port: u16,
    /// The tunnel id that it assigns; random if none.
    pub tunnel_id: Option<u16>,
    /// INITIAL-CONTACT in message 5.
    pub initial_contact: bool,
    /// Data messages carry a length.
    pub length_bit: bool,
    /// The L2TP window that it announces.
    pub window: u16,
    /// The MRU that it asks for.
    pub mru: Option<u16>,
    /// It cuts ISAKMP messages longer than this into fragments (payload 132).
    pub fragment: Option<usize>,
    /// It deletes the old SA once the new one is there.
    pub deletes_old: bool,
    /// It begins a new phase 1 on port 500 even where the old one is on 4500, and lets it float again (Apple).
    pub rekeys_on_500: bool,
    /// It renews phase 1 by itself without a phase 2 in it.
    pub phase1_alone: bool,
    /// It renews both phases by itself when four fifths of their lives are over.
    pub renews: bool,
    /// It answers when the server renews something.
    pub answers: bool,
    /// Lives of phase 1 and 2 that it asks for, in seconds.
    pub lives: (u16, u16),
    /// Kilobytes that an SA may carry, as it asks for them.
    pub kilobytes: Option<u32>,
    /// It is an Android of old: its vendor IDs, and in L2TP host name first, asynchronous framing alone, no CDN when it
    /// leaves.
    pub android: bool,
    /// It cuts the ICV of HMAC-SHA-256 to 96 bits (Android 6 and 7).
    pub short_icv: bool,
    /// It sets the commit bit in Quick Mode.
    pub commit: bool,
    /// It says that it takes fragments of ISAKMP messages.
    pub takes_fragments: bool,
    /// It makes SAs and opens no tunnel on them.
    pub stops_at_esp: bool,
    /// Name in its own messages.
    pub host_name: String,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            phase1: vec![(7, Some(128), 2, 14), (7, Some(256), 4, 14), (5, None, 2, 2)],
            phase2: vec![(12, Some(256), 2), (12, Some(128), 2)],
            pfs: None,
            psk: b"sim-psk".to_vec(),
            user: "vpnuser".to_owned(),
            password: "vpn-Passw0rd".to_owned(),
            aggressive: None,
            clear_proof: false,
            natt: true,
            pretends_nat: false,
            l2tp_port: 1701,
            tunnel_id: None,
            initial_contact: false,
            length_bit: true,
            window: 4,
            mru: Some(1400),
            fragment: None,
            deletes_old: true,
            rekeys_on_500: false,
            phase1_alone: false,
            renews: false,
            answers: true,
            lives: (28_800, 3600),
            kilobytes: None,
            android: false,
            short_icv: false,
            commit: false,
            takes_fragments: false,
            stops_at_esp: false,
            host_name: "sim".to_owned(),
        }
    }
}
