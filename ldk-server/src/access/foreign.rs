//! Calls as other software makes them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ldk_server_grpc::rune::{Fact, Facts, Field};

use super::invoice;

/// A call of a method of other software, with parameters of its own. It is made of any number of calls of
/// the API. Restrictions are about the method and its parameters; what they say of access groups is about
/// each of the calls that it is made of.
#[derive(Debug)]
pub struct ForeignCall {
    method: String,
    /// In their order, with those that are not given.
    parameters: Vec<(String, Fact<'static>)>,
    /// What is known of parameters with other names.
    others: Fact<'static>,
    /// What is known of the access group.
    group: Fact<'static>,
    /// The limits on rates that the call was counted for.
    counted: Mutex<Vec<String>>,
}

/// What restrictions can ask about such a call.
struct ForeignFacts<'a> {
    call: &'a ForeignCall,
    caller_id: Option<&'a str>,
    now_secs: u64,
}

impl ForeignCall {
    /// A call of a method with these parameters, and no others.
    pub fn new(method: String, parameters: Vec<(String, Fact<'static>)>) -> Self {
        let (others, group, counted) = (Fact::Unknown, Fact::Open, Mutex::default());
        Self { method, parameters, others, group, counted }
    }

    /// The same, which somebody else will carry out: nothing is known of its group, and what other
    /// parameters its method has.
    pub fn of_another(self) -> Self {
        Self { others: Fact::Missing, ..self.of_any_group() }
    }

    /// The same, which may do anything: nothing is known of its group.
    pub fn of_any_group(self) -> Self {
        Self { group: Fact::Unknown, ..self }
    }

    /// Its name.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What restrictions can ask about the call.
    pub(crate) fn facts<'a>(&'a self, caller_id: Option<&'a str>, now_secs: u64) -> impl Facts {
        ForeignFacts { call: self, caller_id, now_secs }
    }

    /// What restrictions can ask about the parameters; `None` for another field.
    pub(crate) fn parameter(&self, field: Field<'_>) -> Option<Fact<'_>> {
        match field {
            Field::ParameterCount => {
                let given = self.parameters.iter().filter(|(_, fact)| *fact != Fact::Missing);
                Some(Fact::number(given.count() as u64))
            },
            Field::ParameterAt(position) => {
                let at = self.parameters.get(position);
                Some(at.map_or(Fact::Missing, |(_, fact)| fact.clone()))
            },
            Field::Parameter(name) => {
                let mut parameters = self.parameters.iter();
                let found = parameters.find(|(known, _)| is_same_name(known, name));
                Some(found.map_or(&self.others, |(_, fact)| fact).clone())
            },
            Field::OfInvoice(name, part) => {
                let invoice = self.parameter(Field::Parameter(name))?;
                Some(invoice::fact(&invoice, part))
            },
            Field::Method | Field::Group | Field::Time | Field::CallerId => None,
        }
    }

    /// Leaves those limits that the call was not counted for.
    pub(crate) fn not_counted<T>(&self, limits: Vec<(String, T)>) -> Vec<(String, T)> {
        let counted = self.counted();
        limits.into_iter().filter(|(scope, _)| !counted.contains(scope)).collect()
    }

    /// The call was counted for these limits.
    pub(crate) fn was_counted<T>(&self, limits: Vec<(String, T)>) {
        self.counted().extend(limits.into_iter().map(|(scope, _)| scope));
    }

    fn counted(&self) -> MutexGuard<'_, Vec<String>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the name of a parameter is meant by one in a rune, where Core Lightning leaves the underscores
/// out.
fn is_same_name(parameter: &str, name: &str) -> bool {
    let letters = |name: &str| name.replace('_', "");
    parameter == name || letters(parameter) == letters(name)
}

impl Facts for ForeignFacts<'_> {
    fn fact(&self, field: Field<'_>) -> Fact<'_> {
        match field {
            Field::Method if self.call.method.is_empty() => Fact::Missing,
            Field::Method => Fact::text(self.call.method.as_str()),
            Field::Group => self.call.group.clone(),
            Field::Time => Fact::number(self.now_secs),
            Field::CallerId => self.caller_id.map_or(Fact::Missing, Fact::text),
            _ => self.call.parameter(field).unwrap_or(Fact::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::rune::{Restriction, evaluate};

    use super::*;

    fn call() -> ForeignCall {
        let parameters = vec![
            ("bolt11".to_owned(), Fact::text("lnbc1")),
            ("amount_msat".to_owned(), Fact::text("5000")),
            ("maxfee".to_owned(), Fact::Missing),
            ("exclude".to_owned(), Fact::Unknown),
        ];
        ForeignCall::new("pay".to_owned(), parameters)
    }

    fn allows(call: &ForeignCall, restriction: &str) -> bool {
        let restriction: Restriction = restriction.parse().unwrap();
        evaluate(&[restriction], &call.facts(None, 100)).is_ok()
    }

    #[test]
    fn method_and_parameters_are_those_of_the_other_software() {
        for restriction in [
            "method=pay",
            "pnameamountmsat<5001",
            "pname_amount_msat=5000",
            "parr0^lnbc",
            "parr1=5000",
            "pnum=3",
            "pname_maxfee!",
            "parr9!",
            "time<101",
            "id!",
        ] {
            assert!(allows(&call(), restriction), "{restriction}");
        }
        for restriction in [
            "method=Bolt11Send",
            "method/pay",
            "pname_amount_msat<5000",
            "pname_amount_msat!",
            "pname_invoice!",
            "pname_exclude!",
            "pname_exclude/a",
            "parr0!",
        ] {
            assert!(!allows(&call(), restriction), "{restriction}");
        }
    }

    #[test]
    fn the_group_is_left_to_the_calls_that_it_is_made_of() {
        for restriction in ["group=read", "group/pay", "group=pay|method=nosuch"] {
            assert!(allows(&call(), restriction), "{restriction}");
            assert!(!allows(&call().of_another(), restriction), "{restriction}");
        }
        assert!(allows(&call().of_another(), "pname_invoice!"));
    }

    #[test]
    fn a_limit_counts_a_call_once() {
        let (call, limits) = (call(), || vec![("=1&rate=2".to_owned(), ())]);
        assert_eq!(call.not_counted(limits()).len(), 1);
        call.was_counted(limits());
        assert!(call.not_counted(limits()).is_empty());
        assert_eq!(call.not_counted(vec![("=1&rate=3".to_owned(), ())]).len(), 1);
    }
}
