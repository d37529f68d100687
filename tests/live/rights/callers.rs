//! Who calls, and what each may do.

use reqwest::RequestBuilder;

use crate::support::secured::users::{ADMIN, OTHER, READER, User, WRITER};

/// Someone who calls the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Without credentials.
    Nobody,
    /// A user with another password.
    Mistyped,
    /// With an `Authorization` that is none.
    Malformed,
    Reader,
    Writer,
    Other,
    Admin,
}

/// What a caller may do to a resource; reading is part of changing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    Read,
    Change,
}

/// What rights are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    /// The list of scopes.
    Root,
    /// The scope `shop`.
    Shop,
    /// The stream `shop/orders`.
    Orders,
    /// The scope `office`.
    Office,
    /// The stream `office/ledger`.
    Ledger,
    /// What is of no stream, so that no right to it can be shown.
    Nowhere,
}

/// The rights that a request needs, all of them.
pub(super) type Needs = &'static [(Resource, Right)];

/// How a request is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome,
    Unauthenticated,
    Forbidden,
}

impl Caller {
    pub(super) const ALL: [Self; 7] =
        [Self::Nobody, Self::Mistyped, Self::Malformed, Self::Reader, Self::Writer, Self::Other, Self::Admin];

    fn user(self) -> Option<User> {
        match self {
            Self::Nobody | Self::Mistyped | Self::Malformed => None,
            Self::Reader => Some(READER),
            Self::Writer => Some(WRITER),
            Self::Other => Some(OTHER),
            Self::Admin => Some(ADMIN),
        }
    }

    /// The request as this caller sends it.
    pub(super) fn sends(self, request: RequestBuilder) -> RequestBuilder {
        match (self, self.user()) {
            (_, Some(user)) => user.sends(request),
            (Self::Mistyped, _) => WRITER.mistyped().sends(request),
            (Self::Malformed, _) => request.header("Authorization", "Basic this is no base64"),
            _ => request,
        }
    }

    /// What the users' file grants.
    fn has(self, resource: Resource) -> Option<Right> {
        match (self, resource) {
            (_, Resource::Nowhere) => None,
            (Self::Admin, _) => Some(Right::Change),
            (Self::Writer, Resource::Orders) => Some(Right::Change),
            (Self::Reader, Resource::Orders) => Some(Right::Read),
            (Self::Other, Resource::Office | Resource::Ledger) => Some(Right::Change),
            _ => None,
        }
    }

    /// How a request of this caller is met that needs these rights.
    pub(super) fn verdict(self, needs: Needs) -> Verdict {
        if needs.is_empty() {
            return Verdict::Welcome;
        }
        if self.user().is_none() {
            return Verdict::Unauthenticated;
        }
        let has_all = needs.iter().all(|(resource, right)| self.has(*resource) >= Some(*right));
        if has_all { Verdict::Welcome } else { Verdict::Forbidden }
    }
}
