//! The signature of a tool's function: a context, then one parameter per argument.
//!
//! Refused here is what would otherwise be reported somewhere inside the generated code.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, Ident, ItemFn, Pat, PatType, ReturnType, Safety, Type};

use crate::docs;
use crate::faults::Faults;

/// More arguments than this make a schema that models fill in badly; a struct as one argument has no such limit.
const MAX_PARAMETERS: usize = 16;

/// What a tool needs to know of its function.
pub(super) struct Signature {
    /// The parameters after the context, in order.
    pub(super) parameters: Vec<Parameter>,
    /// The return type as written.
    pub(super) output: Type,
}

/// One parameter of the function, one argument of the tool.
pub(super) struct Parameter {
    /// Its name; also the argument's.
    pub(super) name: Ident,
    pub(super) ty: Type,
    /// Documentation, and what is meant for serde and schemars.
    pub(super) attributes: Vec<Attribute>,
}

impl Signature {
    /// # Errors
    ///
    /// All that keeps `function` from being called with JSON.
    pub(super) fn read(function: &ItemFn) -> syn::Result<Self> {
        let signature = &function.sig;
        let mut faults = Faults::default();
        if signature.asyncness.is_none() {
            faults.at(signature.fn_token, "a tool is an `async fn`");
        }
        if !signature.generics.params.is_empty() {
            faults.at(
                &signature.generics,
                "a tool has no type parameters: its schema is one schema",
            );
        }
        if let Safety::Unsafe(unsafe_token) = &signature.safety {
            faults.at(
                unsafe_token,
                "a tool is not `unsafe`: it is a model that calls it",
            );
        }

        let mut inputs = signature.inputs.iter();
        match inputs.next() {
            Some(FnArg::Typed(first)) if is_context(&first.ty) => {}
            Some(FnArg::Receiver(receiver)) => {
                faults.at(
                    receiver,
                    "a tool is a free function; what it needs comes from its context",
                );
            }
            first => {
                inputs = signature.inputs.iter();
                let message = "the first parameter of a tool is its context, `cx: ToolCx`";
                match first {
                    Some(other) => faults.at(other, message),
                    None => faults.at(&signature.ident, message),
                }
            }
        }

        let parameters: Vec<Parameter> = inputs
            .filter_map(|input| match input {
                FnArg::Typed(input) => faults.keep(Parameter::read(input)),
                FnArg::Receiver(_) => None,
            })
            .collect();
        if parameters.len() > MAX_PARAMETERS {
            faults.at(
                &signature.ident,
                format!(
                    "{} parameters; a tool has at most {MAX_PARAMETERS}, and a struct is one of them",
                    parameters.len()
                ),
            );
        }

        let output = match &signature.output {
            ReturnType::Type(_, output) => output.as_ref().clone(),
            ReturnType::Default => {
                faults.at(
                    &signature.ident,
                    "a tool returns `Result<T>`, where `T` is `Serialize`",
                );
                Type::Verbatim(signature.ident.to_token_stream())
            }
        };
        faults.check()?;
        Ok(Self { parameters, output })
    }

    /// The function as a person can call it: Rust takes no documentation on parameters, so it is left out.
    pub(super) fn without_documentation(&self, function: &ItemFn) -> ItemFn {
        let mut plain = function.clone();
        for input in &mut plain.sig.inputs {
            if let FnArg::Typed(input) = input {
                input.attrs.retain(|attribute| !is_for_argument(attribute));
            }
        }
        plain
    }
}

impl Parameter {
    fn read(input: &PatType) -> syn::Result<Self> {
        let Pat::Ident(pattern) = input.pat.as_ref() else {
            return Err(syn::Error::new_spanned(
                &input.pat,
                "an argument has a name, which the model is told",
            ));
        };
        let name = &pattern.ident;
        let refusal = match input.ty.as_ref() {
            Type::Reference(_) => {
                Some("is borrowed; an argument is read from JSON and owned, as `String` is")
            }
            Type::ImplTrait(_) => Some("has no one type; an argument's type makes its schema"),
            ty if is_context(ty) => Some("is a second context; the arguments follow the first"),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Err(syn::Error::new_spanned(
                &input.ty,
                format!("parameter `{name}` {refusal}"),
            ));
        }
        if let Some(condition) = input
            .attrs
            .iter()
            .find(|attribute| attribute.path().is_ident("cfg"))
        {
            return Err(syn::Error::new_spanned(
                condition,
                format!("parameter `{name}` depends on `cfg`; write two tools, or an `Option`"),
            ));
        }
        let attributes = input
            .attrs
            .iter()
            .filter(|attribute| is_for_argument(attribute))
            .cloned()
            .collect();
        Ok(Self {
            name: name.clone(),
            ty: input.ty.as_ref().clone(),
            attributes,
        })
    }
}

fn is_for_argument(attribute: &Attribute) -> bool {
    docs::is_doc(attribute) || attribute.path().is_ident("serde") || attribute.path().is_ident("schemars")
}

fn is_context(ty: &Type) -> bool {
    let Type::Path(ty) = ty else { return false };
    ty.path
        .segments
        .last()
        .is_some_and(|last| last.ident.unraw() == "ToolCx")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Result<Signature, Vec<String>> {
        let function = syn::parse_str(source).expect("the test is Rust");
        Signature::read(&function).map_err(|error| error.into_iter().map(|error| error.to_string()).collect())
    }

    #[test]
    fn parameters_after_the_context_are_arguments() {
        let signature = read(
            "async fn price(mut cx: segue::ToolCx, #[doc = \"AAPL\"] mut symbol: String, #[allow(unused)] r#type: u8) -> Result<u8> {}",
        )
        .map_err(|messages| messages.join("\n"))
        .unwrap();
        let names: Vec<_> = signature
            .parameters
            .iter()
            .map(|parameter| parameter.name.to_string())
            .collect();
        let attributes: Vec<_> = signature
            .parameters
            .iter()
            .map(|parameter| parameter.attributes.len())
            .collect();
        assert_eq!(names, ["symbol", "r#type"]);
        assert_eq!(attributes, [1, 0]);
    }

    #[test]
    fn refuses_what_json_cannot_call() {
        let many: String = (0..17).map(|at| format!(", a{at}: u8")).collect();
        let many = format!("async fn t(cx: ToolCx{many}) -> R {{}}");
        for (source, message) in [
            ("fn t(cx: ToolCx) -> R {}", "a tool is an `async fn`"),
            (
                "async unsafe fn t(cx: ToolCx) -> R {}",
                "a tool is not `unsafe`: it is a model that calls it",
            ),
            (
                "async fn t<T>(cx: ToolCx, a: T) -> R {}",
                "a tool has no type parameters: its schema is one schema",
            ),
            (
                "async fn t() -> R {}",
                "the first parameter of a tool is its context, `cx: ToolCx`",
            ),
            (
                "async fn t(a: String) -> R {}",
                "the first parameter of a tool is its context, `cx: ToolCx`",
            ),
            (
                "async fn t(&self) -> R {}",
                "a tool is a free function; what it needs comes from its context",
            ),
            (
                "async fn t(cx: ToolCx) {}",
                "a tool returns `Result<T>`, where `T` is `Serialize`",
            ),
            (
                "async fn t(cx: ToolCx, (a, b): (u8, u8)) -> R {}",
                "an argument has a name, which the model is told",
            ),
            (
                "async fn t(cx: ToolCx, a: &str) -> R {}",
                "parameter `a` is borrowed; an argument is read from JSON and owned, as `String` is",
            ),
            (
                "async fn t(cx: ToolCx, a: impl Into<String>) -> R {}",
                "parameter `a` has no one type; an argument's type makes its schema",
            ),
            (
                "async fn t(cx: ToolCx, a: ToolCx) -> R {}",
                "parameter `a` is a second context; the arguments follow the first",
            ),
            (
                "async fn t(cx: ToolCx, #[cfg(unix)] a: u8) -> R {}",
                "parameter `a` depends on `cfg`; write two tools, or an `Option`",
            ),
            (
                &many,
                "17 parameters; a tool has at most 16, and a struct is one of them",
            ),
        ] {
            assert_eq!(read(source).err(), Some(vec![message.to_owned()]), "{source}");
        }
    }
}
