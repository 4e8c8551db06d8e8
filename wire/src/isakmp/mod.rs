//! ISAKMP and IKEv1: header, payloads, proposals, attributes, fragments, vendor ids.

mod attribute;
mod fragment;
mod header;
mod payload;
mod proposal;
pub mod vendor;

pub use attribute::{
    Attribute, AttributeValue, AuthenticationAlgorithm, AuthenticationMethod, EncapsulationMode, EspTransform,
    IkeAttribute, IkeEncryption, IkeHash, IpsecAttribute, LifeType, MAX_ATTRIBUTES,
};
pub use fragment::Fragment;
pub use header::{Cookie, ExchangeType, Flags, Header};
pub use payload::{
    DOI_IPSEC, Delete, IdType, Identification, MAX_DELETED, MAX_PAYLOADS, NatOa, Notification, NotifyType, PayloadType,
    Protocol, Raw, chain, encode_chain,
};
pub use proposal::{
    MAX_PROPOSALS, MAX_TRANSFORMS, Proposal, SITUATION_IDENTITY_ONLY, SecurityAssociation, TRANSFORM_KEY_IKE, Transform,
};
