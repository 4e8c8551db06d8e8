//! Vendor ids: how the two sides tell each other what they can do.

/// RFC 3947: NAT traversal in IKE.
pub const NAT_T_RFC3947: [u8; 16] = octets(0x4a13_1c81_0703_5845_5c57_28f2_0e95_452f);

/// draft-ietf-ipsec-nat-t-ike without a number, sent by Apple.
pub const NAT_T_DRAFT: [u8; 16] = octets(0x4df3_7928_e9fc_4fd1_b326_2170_d515_c662);

/// draft-ietf-ipsec-nat-t-ike-08.
pub const NAT_T_DRAFT_08: [u8; 16] = octets(0x8f8d_8382_6d24_6b6f_c7a8_a6a4_28c1_1de8);

/// draft-ietf-ipsec-nat-t-ike-07.
pub const NAT_T_DRAFT_07: [u8; 16] = octets(0x439b_59f8_ba67_6c4c_7737_ae22_eab8_f582);

/// draft-ietf-ipsec-nat-t-ike-06.
pub const NAT_T_DRAFT_06: [u8; 16] = octets(0x4d1e_0e13_6dea_fa34_c4f3_ea9f_02ec_7285);

/// draft-ietf-ipsec-nat-t-ike-05.
pub const NAT_T_DRAFT_05: [u8; 16] = octets(0x80d0_bb3d_ef54_565e_e846_45d4_c85c_e3ee);

/// draft-ietf-ipsec-nat-t-ike-04.
pub const NAT_T_DRAFT_04: [u8; 16] = octets(0x9909_b64e_ed93_7c65_73de_52ac_e952_fa6b);

/// draft-ietf-ipsec-nat-t-ike-03: payloads 130 and 131, encapsulation modes 61443 and 61444.
pub const NAT_T_DRAFT_03: [u8; 16] = octets(0x7d94_19a6_5310_ca6f_2c17_9d92_1552_9d56);

/// draft-ietf-ipsec-nat-t-ike-02: numbers as in -03.
pub const NAT_T_DRAFT_02: [u8; 16] = octets(0xcd60_4643_35df_21f8_7cfd_b2fc_68b6_a448);

/// draft-ietf-ipsec-nat-t-ike-02 with a newline in the hashed name, as most send it.
pub const NAT_T_DRAFT_02_NEWLINE: [u8; 16] = octets(0x90cb_8091_3ebb_696e_0863_81b5_ec42_7b1f);

/// draft-ietf-ipsec-nat-t-ike-01.
pub const NAT_T_DRAFT_01: [u8; 16] = octets(0x16f6_ca16_e4a4_066d_8382_1a0f_0aea_a862);

/// draft-ietf-ipsec-nat-t-ike-00.
pub const NAT_T_DRAFT_00: [u8; 16] = octets(0x4485_152d_18b6_bbcd_0be8_a846_9579_ddcc);

/// IKE fragmentation; four octets of modes may follow, so compare the beginning only.
pub const FRAGMENTATION: [u8; 16] = octets(0x4048_b7d5_6ebc_e885_25e7_de7f_00d6_c2d3);

/// Dead peer detection 1.0, RFC 3706 §5.1.
pub const DPD: [u8; 16] = octets(0xafca_d713_68a1_f1c9_6b86_96fc_7757_0100);

/// MS NT5 ISAKMPOAKLEY: the beginning of Windows' id; four octets of version follow.
pub const WINDOWS: [u8; 16] = octets(0x1e2b_5169_0599_1c7d_7c96_fcbf_b587_e461);

/// An unnamed id of Windows 8 and later; four octets with the IKE version follow.
pub const WINDOWS_IKE_VERSION: [u8; 16] = octets(0x0152_8bbb_c006_9612_1849_ab9a_1c5b_2a51);

/// MS-Negotiation Discovery Capable.
pub const WINDOWS_DISCOVERY: [u8; 16] = octets(0xfb1d_e3cd_f341_b7ea_16b7_e5be_0855_f120);

/// Vid-Initial-Contact: Windows' way to say INITIAL-CONTACT in its first message.
pub const INITIAL_CONTACT: [u8; 16] = octets(0x2624_4d38_eddb_61b3_172a_36e3_d0cf_b819);

/// IKE CGA version 1 of Windows.
pub const WINDOWS_CGA: [u8; 16] = octets(0xe3a5_966a_7637_9fe7_0722_8231_e5ce_8652);

/// MS-MamieExists.
pub const WINDOWS_MAMIE: [u8; 16] = octets(0x214c_a4fa_ffa7_f32d_6748_e530_3395_ae83);

/// GSSAPI: Windows with Kerberos.
pub const GSSAPI: [u8; 16] = octets(0x621b_04bb_0988_2ac1_e159_35fe_fa24_aeee);

/// NLBS present: Windows behind network load balancing.
pub const WINDOWS_NLBS: [u8; 16] = octets(0x7287_2b95_fcda_2eb7_08ef_e322_119b_4971);

/// XAUTH, eight octets.
pub const XAUTH: [u8; 8] = [0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12];

/// Cisco Unity.
pub const CISCO_UNITY: [u8; 16] = octets(0x12f5_f28c_4571_68a9_702d_9fe2_74cc_0100);

/// KAME racoon.
pub const RACOON: [u8; 16] = octets(0x7003_cbc1_097d_be9c_2600_ba69_83bc_8b35);

/// strongSwan.
pub const STRONGSWAN: [u8; 16] = octets(0x882f_e56d_6fd2_0dbc_2251_613b_2ebe_5beb);

/// The ids that only Apple's clients send: the drafts from -04 on and the one without a number.
pub const APPLE: [[u8; 16]; 6] =
    [NAT_T_DRAFT, NAT_T_DRAFT_08, NAT_T_DRAFT_07, NAT_T_DRAFT_06, NAT_T_DRAFT_05, NAT_T_DRAFT_04];

const fn octets(number: u128) -> [u8; 16] {
    number.to_be_bytes()
}

/// What an id means, for logs; ids that carry a version behind 16 octets are known by their beginning.
pub fn name(id: &[u8]) -> Option<&'static str> {
    const NAMES: [(&[u8], &str); 26] = [
        (&NAT_T_RFC3947, "RFC 3947"),
        (&NAT_T_DRAFT, "draft-ietf-ipsec-nat-t-ike"),
        (&NAT_T_DRAFT_08, "draft-ietf-ipsec-nat-t-ike-08"),
        (&NAT_T_DRAFT_07, "draft-ietf-ipsec-nat-t-ike-07"),
        (&NAT_T_DRAFT_06, "draft-ietf-ipsec-nat-t-ike-06"),
        (&NAT_T_DRAFT_05, "draft-ietf-ipsec-nat-t-ike-05"),
        (&NAT_T_DRAFT_04, "draft-ietf-ipsec-nat-t-ike-04"),
        (&NAT_T_DRAFT_03, "draft-ietf-ipsec-nat-t-ike-03"),
        (&NAT_T_DRAFT_02, "draft-ietf-ipsec-nat-t-ike-02"),
        (&NAT_T_DRAFT_02_NEWLINE, "draft-ietf-ipsec-nat-t-ike-02\\n"),
        (&NAT_T_DRAFT_01, "draft-ietf-ipsec-nat-t-ike-01"),
        (&NAT_T_DRAFT_00, "draft-ietf-ipsec-nat-t-ike-00"),
        (&FRAGMENTATION, "FRAGMENTATION"),
        (&DPD, "Dead Peer Detection 1.0"),
        (&WINDOWS, "MS NT5 ISAKMPOAKLEY"),
        (&WINDOWS_IKE_VERSION, "Microsoft IKE version"),
        (&WINDOWS_DISCOVERY, "MS-Negotiation Discovery Capable"),
        (&INITIAL_CONTACT, "Vid-Initial-Contact"),
        (&WINDOWS_CGA, "IKE CGA version 1"),
        (&WINDOWS_MAMIE, "MS-MamieExists"),
        (&GSSAPI, "GSSAPI"),
        (&WINDOWS_NLBS, "NLBS_PRESENT"),
        (&XAUTH, "XAUTH"),
        (&CISCO_UNITY, "Cisco Unity"),
        (&RACOON, "KAME/racoon"),
        (&STRONGSWAN, "strongSwan"),
    ];
    NAMES.iter().find(|(known, _)| id.starts_with(known)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_a_version_are_known_by_their_beginning() {
        let mut id = WINDOWS.to_vec();
        id.extend_from_slice(&[0, 0, 0, 9]);
        assert_eq!(name(&id), Some("MS NT5 ISAKMPOAKLEY"));
        assert_eq!(name(&XAUTH), Some("XAUTH"));
        assert_eq!(name(&[]), None);
        assert_eq!(name(&WINDOWS[..15]), None);
    }
}
