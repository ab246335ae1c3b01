//! Restrictions that are asked for by name.

use super::{Alternative, Operator, Restriction, RuneError};

const GROUP: &str = "group";

/// The access groups of the calls, as the field `group` names them.
pub const GROUPS: [&str; 10] =
    ["info", "read", "invoice", "pay", "onchain", "channels", "peers", "events", "sign", "admin"];

/// What a holder is commonly allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// To see everything and change nothing of it.
    Read,
    /// To ask for payments, to look them up, and to be told of them.
    Invoice,
    /// The same, and to pay over Lightning.
    Pay,
    /// Everything.
    Admin,
}

impl Preset {
    /// All presets, the narrowest first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Invoice, Self::Pay, Self::Admin];

    /// As it is asked for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Invoice => "invoice",
            Self::Pay => "pay",
            Self::Admin => "admin",
        }
    }

    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// The groups of calls that it allows.
    pub fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["info", "read"],
            Self::Invoice => &["info", "read", "invoice", "events"],
            Self::Pay => &["info", "read", "invoice", "pay", "events"],
            Self::Admin => &GROUPS,
        }
    }

    /// The restrictions of a rune that allows just these groups; none for [`Preset::Admin`].
    pub fn restrictions(self) -> Result<Vec<Restriction>, RuneError> {
        if self == Self::Admin {
            return Ok(Vec::new());
        }
        let groups = self.groups().iter();
        let allowed = groups.map(|group| Alternative::new(GROUP, Operator::Equal, group));
        Ok(vec![Restriction::new(allowed.collect::<Result<_, _>>()?)?])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn presets_widen_and_name_groups_that_there_are() {
        for pair in Preset::ALL.windows(2) {
            let wider = pair[1].groups();
            assert!(pair[0].groups().iter().all(|group| wider.contains(group)), "{pair:?}");
        }
        for preset in Preset::ALL {
            assert!(preset.groups().iter().all(|group| GROUPS.contains(group)), "{preset:?}");
            assert_eq!(Preset::named(preset.name()), Some(preset));
        }
        assert_eq!(Preset::named("none"), None);
    }

    #[test]
    fn presets_are_restrictions() {
        let texts = |preset: Preset| -> Vec<String> {
            preset.restrictions().unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts(Preset::Read), ["group=info|group=read"]);
        assert_eq!(texts(Preset::Admin), Vec::<String>::new());
    }
}
