//! How a simulated client behaves: what it offers and the habits of its kind.

use core::time::Duration;
use wire::isakmp::{Attribute, AttributeValue, Proposal, Protocol as Security, SecurityAssociation, Transform, vendor};
use wire::l2tp::Avp;
use wire::ppp::{Opt, Protocol};

/// A transform of phase 1 by its numbers: cipher, key bits, hash, group.
pub type Phase1Offer = (u16, Option<u16>, u16, u16);
/// A transform of phase 2 by its numbers: transform id, key bits, authentication.
pub type Phase2Offer = (u8, Option<u16>, u16);

/// After how many seconds a message is sent again, and again; after the last number the client gives up.
pub type Schedule = &'static [u16];

/// What becomes of a password before it is hashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alphabet {
    /// It is text: UTF-16 for MS-CHAP, UTF-8 for the others.
    Unicode,
    /// It is made Latin-1 first, whatever the method (Apple).
    Latin1,
    /// MS-CHAP takes each octet of UTF-8 for a character (pppd).
    Widened,
}

/// The manners of one client.
#[derive(Clone, Debug)]
pub struct Manner {
    /// What it is, for a failure's message.
    pub name: &'static str,
    /// Proposals of phase 1 as the client writes them, in place of `phase1`.
    pub offer1: Option<SecurityAssociation>,
    /// Proposals of phase 2 as the client writes them, in place of `phase2`; SPIs and modes are filled in.
    pub offer2: Option<SecurityAssociation>,
    /// Vendor IDs of message 1, in order.
    pub vendor_ids: Vec<Vec<u8>>,
    /// It answers an MS-CHAPv2 challenge that is sent again with another response, and holds any outcome against its last one.
    pub answers_anew: bool,
    /// Octets of its nonces in phase 1 and 2.
    pub nonces: (usize, usize),
    /// Protocol and port in its identity.
    pub identity: (u8, u16),
    /// It leaves its identity out of message 5 of Main Mode, and proves all the rest.
    pub nameless: bool,
    /// It fills encrypted messages up with random octets, more than needed, the last of which counts (racoon).
    pub random_padding: bool,
    /// Its Quick Modes are numbered 1, 2, 3 (Windows).
    pub counts_message_ids: bool,
    /// It ignores answers with payloads, or identities, that it does not expect (Apple).
    pub strict_answers: bool,
    /// When messages of IKE are sent again.
    pub ike_schedule: Schedule,
    /// It starts a second Quick Mode at once, and one with each SCCRQ that goes unanswered (Windows).
    pub quick_twice: bool,
    /// The port in its identity of Quick Mode, if it is not the one that it sends from.
    pub quick_port: Option<u16>,
    /// The encapsulation mode that it asks for, if it is not the one that fits.
    pub mode: Option<u16>,
    /// It goes over to port 4500 though it is behind no NAT.
    pub floats: bool,
    /// It fills the reserved octets of NAT-OA (Android 4.0).
    pub dirty_nat_oa: bool,
    /// It sends its own address only as NAT-OA.
    pub one_nat_oa: bool,
    /// How long it waits for the server's first answer, and until it is up.
    pub patience: (Option<Duration>, Option<Duration>),
    /// It keeps a NAT's mapping open every 20 s.
    pub keeps_alive: bool,
    /// It answers R-U-THERE.
    pub answers_probes: bool,
    /// How long it keeps an old pair, and an old ISAKMP SA, before it deletes them.
    pub keeps_old: (Duration, Duration),
    /// It renews phase 1 before its end.
    pub renews_phase1: bool,
    /// When it renews phase 1 and 2, if not after four fifths of their lives.
    pub renewal: (Option<Duration>, Option<Duration>),
    /// After so many octets on a pair it renews it.
    pub renews_after_octets: Option<u64>,
    /// It deletes its SAs when it hangs up.
    pub deletes_at_end: bool,
    /// Its L2TP messages, in place of those made of the fields below; ids are filled in.
    pub sccrq: Option<Vec<Avp>>,
    /// Its ICRQ.
    pub icrq: Option<Vec<Avp>>,
    /// Its ICCN.
    pub iccn: Option<Vec<Avp>>,
    /// Its CDN; an empty one: none is sent.
    pub cdn: Option<Vec<Avp>>,
    /// Its StopCCN; an empty one: none is sent.
    pub stop_ccn: Option<Vec<Avp>>,
    /// The tunnel's secret, if it has one; without it, a challenge goes unanswered.
    pub l2tp_secret: Option<Vec<u8>>,
    /// Each tunnel's id is one higher than the last one's.
    pub rising_ids: bool,
    /// As the responder of a Quick Mode it sends on the new pair before its message 2 has left (Libreswan, by a hair).
    pub sends_before_message_2: bool,
    /// ICRQ follows SCCCN without waiting for an acknowledgement (Apple).
    pub icrq_at_once: bool,
    /// It takes a message only if all of its own are acknowledged by it (mtpd).
    pub one_at_a_time: bool,
    /// It begins with Hellos on tunnel 0 (Apple).
    pub wakes_with_hello: bool,
    /// How often it sends a Hello (xl2tpd).
    pub hellos: Option<Duration>,
    /// It acknowledges Hellos; Android and Apple under load do not.
    pub answers_hellos: bool,
    /// When messages of L2TP are sent again.
    pub l2tp_schedule: Schedule,
    /// Options of its first LCP Configure-Request, in place of `mru` and a magic number.
    pub lcp: Option<Vec<Opt>>,
    /// Its first LCP Configure-Request comes so late, and it overlooks what comes before (Windows).
    pub lcp_delay: Duration,
    /// It introduces itself by three Identifications (Windows).
    pub identifies: bool,
    /// The methods that it accepts, best first: protocol and, for CHAP, algorithm.
    pub methods: Vec<(u16, u8)>,
    /// What it does to passwords.
    pub alphabet: Alphabet,
    /// A domain in front of the user's name.
    pub domain: Option<String>,
    /// Options of its first IPCP Configure-Request.
    pub ipcp: Vec<Opt>,
    /// Other protocols that it starts beside IPCP, with the options of their requests.
    pub others: Vec<(Protocol, Vec<Opt>)>,
    /// It sends an LCP Echo-Request when LCP is open (Apple).
    pub echoes_once: bool,
    /// It sends LCP Echo-Requests so often and ends after so many without an answer.
    pub echoes: Option<(Duration, u32)>,
    /// One counter numbers the packets of all protocols (Windows).
    pub one_counter: bool,
    /// The DHCPINFORM that it sends when IPCP is open: an IP packet, its own address to be filled in.
    pub inform: Option<Vec<u8>>,
    /// The data of its Terminate-Request.
    pub goodbye: Vec<u8>,
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
    /// A transform is taken back with its attributes in another order (SoftEther), not only as it was offered.
    pub any_order: bool,
    /// INITIAL-CONTACT in message 5.
    pub initial_contact: bool,
    /// INITIAL-CONTACT in a message of its own behind message 6 (Android).
    pub initial_contact_alone: bool,
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
            name: "plain",
            offer1: None,
            offer2: None,
            vendor_ids: vec![vendor::DPD.to_vec(), vendor::NAT_T_RFC3947.to_vec()],
            answers_anew: false,
            nonces: (24, 16),
            identity: (17, 500),
            nameless: false,
            random_padding: false,
            counts_message_ids: false,
            strict_answers: false,
            ike_schedule: &[1, 2, 4, 8, 8, 8, 8, 8],
            quick_twice: false,
            quick_port: None,
            mode: None,
            dirty_nat_oa: false,
            one_nat_oa: false,
            patience: (None, None),
            keeps_alive: true,
            answers_probes: true,
            keeps_old: (Duration::ZERO, Duration::ZERO),
            renews_phase1: true,
            renewal: (None, None),
            renews_after_octets: None,
            deletes_at_end: true,
            sccrq: None,
            icrq: None,
            iccn: None,
            cdn: None,
            stop_ccn: None,
            l2tp_secret: None,
            rising_ids: false,
            sends_before_message_2: false,
            icrq_at_once: false,
            one_at_a_time: false,
            wakes_with_hello: false,
            hellos: None,
            answers_hellos: true,
            l2tp_schedule: &[1, 2, 4, 8, 8, 8, 8],
            lcp: None,
            lcp_delay: Duration::ZERO,
            identifies: false,
            methods: vec![(0xc223, 0x81), (0xc223, 0x80), (0xc223, 5), (0xc023, 0)],
            alphabet: Alphabet::Unicode,
            domain: None,
            ipcp: [3, 129, 131].map(|kind| Opt { kind, data: vec![0; 4] }).to_vec(),
            others: vec![],
            echoes_once: false,
            echoes: None,
            one_counter: false,
            inform: None,
            goodbye: b"User request".to_vec(),
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
            floats: false,
            l2tp_port: 1701,
            tunnel_id: None,
            any_order: false,
            initial_contact: false,
            initial_contact_alone: false,
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

fn short(kind: u16, v: u16) -> Attribute {
    Attribute::short(kind, v)
}

fn association(protocol: Security, transforms: Vec<Transform>) -> SecurityAssociation {
    let proposals = vec![Proposal { number: 1, protocol, spi: vec![], transforms }];
    SecurityAssociation { doi: 1, situation: 1, proposals }
}

impl Manner {
    /// How long an ISAKMP SA lives.
    pub(super) fn life(&self) -> Duration {
        Duration::from_secs(u64::from(self.lives.0))
    }

    /// What it proposes for phase 1.
    pub fn first_offer(&self) -> SecurityAssociation {
        let transforms = (1..).zip(&self.phase1).map(|(number, (cipher, bits, hash, group))| {
            let mut attributes = vec![short(1, *cipher)];
            attributes.extend(bits.map(|b| short(14, b)));
            attributes.extend([short(2, *hash), short(4, *group), short(3, 1), short(11, 1), short(12, self.lives.0)]);
            Transform { number, id: 1, attributes }
        });
        self.offer1.clone().unwrap_or_else(|| association(Security::Isakmp, transforms.collect()))
    }

    /// What it proposes for phase 2 in this encapsulation mode; SPIs are still to be filled in.
    pub fn second_offer(&self, mode: u16) -> SecurityAssociation {
        let mode = self.mode.unwrap_or(mode);
        let transforms = (1..).zip(&self.phase2).map(|(number, (id, bits, auth))| {
            let mut attributes = vec![short(1, 1), short(2, self.lives.1), short(4, mode), short(5, *auth)];
            attributes.extend(bits.map(|b| short(6, b)));
            attributes.extend(self.pfs.map(|g| short(3, g)));
            attributes.extend(self.kilobytes.iter().flat_map(|k| [short(1, 2), Attribute::long(2_u16, *k)]));
            Transform { number, id: *id, attributes }
        });
        let mut offer = self.offer2.clone().unwrap_or_else(|| association(Security::Esp, transforms.collect()));
        for attribute in offer.proposals.iter_mut().flat_map(|p| &mut p.transforms).flat_map(|t| &mut t.attributes) {
            if attribute.kind == 4 {
                attribute.value = AttributeValue::Short(mode);
            }
        }
        offer
    }
}
