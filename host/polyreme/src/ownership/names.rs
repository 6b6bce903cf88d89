//! What the Leases of a ring are called, and what they are labelled and annotated with.
//!
//! Hosts write them and `polyreme ring` reads them; `docs/handover.md` documents them for everybody
//! else. A name only tells people what a Lease is: which ring it belongs to and as what is in its
//! labels, since `polyreme-a-b` could be a ring of that name or a member of ring `a`.
//!
//! Names fit into a Lease's 253 characters: ring and identity are DNS labels of at most 63.

/// Annotation of the table Lease: [`polyreme_ownership::Table::encode`].
pub const TABLE_ANNOTATION: &str = "polyreme.dev/table";

/// Annotation of a member Lease: [`polyreme_ownership::MemberRecord::encode`].
pub const MEMBER_ANNOTATION: &str = "polyreme.dev/member";

/// Label of every Lease of a ring: the ring.
pub const RING_LABEL: &str = "polyreme.dev/ring";

/// Label of every Lease of a ring: [`ROLE_TABLE`] or [`ROLE_MEMBER`].
pub const ROLE_LABEL: &str = "polyreme.dev/role";

/// [`ROLE_LABEL`] of the table Lease.
pub const ROLE_TABLE: &str = "table";

/// [`ROLE_LABEL`] of a member Lease.
pub const ROLE_MEMBER: &str = "member";

/// Name of the table Lease.
#[must_use]
pub fn table_lease(ring: &str) -> String {
    format!("polyreme-{ring}")
}

/// Name of the Lease of one incarnation of a host; `suffix` is what no other incarnation has.
///
/// # Example
/// ```
/// use polyreme::ownership::names::member_lease;
/// assert_eq!(member_lease("default", "host-0", "x7k2p9"), "polyreme-default-host-0-x7k2p9");
/// ```
#[must_use]
pub fn member_lease(ring: &str, identity: &str, suffix: &str) -> String {
    format!("polyreme-{ring}-{identity}-{suffix}")
}
