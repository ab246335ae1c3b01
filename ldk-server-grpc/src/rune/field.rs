//! What restrictions can ask about a call.

/// A field that a call has a value of, or none. What the limits are about is no such field: see
/// [`Limit`](super::Limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// `method`: the RPC.
    Method,
    /// `group`: the access group of the RPC.
    Group,
    /// `time`: now, in Unix seconds.
    Time,
    /// `id`: who calls.
    CallerId,
    /// `pnum`: how many parameters there are.
    ParameterCount,
    /// `parr0`, `parr1`, …: the parameter at this position, counted from 0, if parameters have positions.
    ParameterAt(usize),
    /// `pname_amount_msat`, or as Core Lightning writes it, `pnameamount_msat`: the parameter with this
    /// name. A field of a nested message is named by its path, joined with `_`.
    Parameter(&'a str),
    /// `pinvbolt11_amount`: something of the invoice that is the parameter with this name.
    OfInvoice(&'a str, InvoicePart),
}

/// What restrictions can ask about an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvoicePart {
    /// `amount`: in millisatoshis.
    Amount,
    /// `description`.
    Description,
    /// `node`: the node id of the payee.
    Node,
}

impl InvoicePart {
    /// As it is written in a rune.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Description => "description",
            Self::Node => "node",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Amount, Self::Description, Self::Node].into_iter().find(|part| part.name() == name)
    }
}

impl<'a> Field<'a> {
    /// The field of this name, if there is one.
    pub fn named(name: &'a str) -> Option<Self> {
        match name {
            "method" => Some(Self::Method),
            "group" => Some(Self::Group),
            "time" => Some(Self::Time),
            "id" => Some(Self::CallerId),
            "pnum" => Some(Self::ParameterCount),
            _ => Self::parameter(name),
        }
    }

    fn parameter(name: &'a str) -> Option<Self> {
        if let Some(position) = name.strip_prefix("parr") {
            let number: usize = position.parse().ok()?;
            return (number.to_string() == position).then_some(Self::ParameterAt(number));
        }
        if let Some(path) = name.strip_prefix("pinv") {
            let (parameter, part) = path.rsplit_once('_')?;
            let parameter = parameter.strip_prefix('_').unwrap_or(parameter);
            let part = InvoicePart::named(part).filter(|_| !parameter.is_empty())?;
            return Some(Self::OfInvoice(parameter, part));
        }
        let path = name.strip_prefix("pname")?;
        let path = path.strip_prefix('_').unwrap_or(path);
        (!path.is_empty()).then_some(Self::Parameter(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_names() {
        for (name, field) in [
            ("method", Some(Field::Method)),
            ("parr0", Some(Field::ParameterAt(0))),
            ("parr12", Some(Field::ParameterAt(12))),
            ("parr", None),
            ("parr01", None),
            ("parr+1", None),
            ("parr99999999999999999999", None),
            ("pname_amount_msat", Some(Field::Parameter("amount_msat"))),
            ("pnameamount_msat", Some(Field::Parameter("amount_msat"))),
            ("pinvbolt11_amount", Some(Field::OfInvoice("bolt11", InvoicePart::Amount))),
            ("pinv_inv_string_node", Some(Field::OfInvoice("inv_string", InvoicePart::Node))),
            ("pinvbolt11_expiry", None),
            ("pinvbolt11", None),
            ("pinv_amount", None),
            ("pname", None),
            ("pname_", None),
            ("Method", None),
            ("rate", None),
        ] {
            assert_eq!(Field::named(name), field, "{name}");
        }
    }
}
