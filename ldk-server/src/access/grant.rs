//! What one caller may do.

use std::sync::Arc;

use ldk_server_grpc::rune::{Budget, Demand, Denial, Facts, Restriction, Rune, evaluate};

/// What a caller may do; by default nothing.
#[derive(Clone, Debug, Default)]
pub enum Grant {
    /// Nothing.
    #[default]
    Nothing,
    /// Everything.
    Everything,
    /// What all restrictions allow.
    Restricted(Arc<Restricted>),
}

/// The restrictions of a caller.
#[derive(Clone, Debug)]
pub enum Restricted {
    /// Those of a rune, whose limits are shared with all that were made of it.
    Rune(Rune),
    /// Those of whoever is known by this name, who has limits of their own.
    Named {
        /// The name, which no other has.
        name: String,
        /// The restrictions.
        restrictions: Vec<Restriction>,
    },
}

/// A budget that a call must keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemandedBudget {
    /// What draws on it: calls with the same scope share it.
    pub scope: String,
    /// How much may be spent in which time.
    pub budget: Budget,
}

impl Grant {
    /// What somebody of this name may do: everything if there are no restrictions.
    pub fn named(name: String, restrictions: Vec<Restriction>) -> Self {
        if restrictions.is_empty() {
            return Self::Everything;
        }
        Self::Restricted(Arc::new(Restricted::Named { name, restrictions }))
    }

    /// What whoever presents this rune may do.
    pub fn of_rune(rune: Rune) -> Self {
        let is_versioned = rune.unique_id().is_some_and(|id| id.version().is_some());
        if rune.restrictions().is_empty() && !is_versioned {
            return Self::Everything;
        }
        Self::Restricted(Arc::new(Restricted::Rune(rune)))
    }
}

impl Restricted {
    /// The limits that must be kept for a call to be allowed, or why it is not.
    pub fn evaluate(&self, facts: &impl Facts) -> Result<Vec<Demand>, Denial> {
        match self {
            Self::Rune(rune) => rune.evaluate(facts),
            Self::Named { name, restrictions } => {
                let mut demands = evaluate(restrictions, facts)?;
                for demand in &mut demands {
                    demand.scope.insert_str(0, &format!("{name}&"));
                }
                Ok(demands)
            },
        }
    }
}
