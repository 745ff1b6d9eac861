//! The macros of segue: [`macro@tool`] and [`derive(Route)`](macro@Route).
//!
//! Authors reach both through `segue`, which re-exports them. What they write names its items through `::segue`, so it needs
//! nothing else in the author's manifest. Nothing is decided here that an author could not have written by hand; a macro only
//! says it once.

mod docs;
mod faults;
mod name;
mod route;
mod tool;

use proc_macro::TokenStream;

/// Makes the variants of an enum the arms of a route.
///
/// Each variant is an arm, named as the variant in snake case or by `#[route(name = "…")]`. The enum is written and read as the
/// arm's name, so `Serialize`, `Deserialize` and `JsonSchema` come with the derive and are not derived beside it.
///
/// ```text
/// #[derive(Clone, Copy, Route)]
/// enum Size {
///     Short,
///     #[route(name = "very-long")]
///     Long,
/// }
/// ```
#[proc_macro_derive(Route, attributes(route))]
pub fn derive_route(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).and_then(|input| route::expand(&input)))
}

/// Makes an async function a tool that a model can call.
///
/// The function stays as it is, so a test calls it. Beside it stands a type of the same name that implements `Tool`, and is
/// registered as `price {}`. Its documentation is what the model is told; the documentation of a parameter describes the
/// argument; `Option` makes an argument optional. `#[serde(…)]` and `#[schemars(…)]` on a parameter go to its argument.
///
/// `name = "app.price"` gives another name than the function's; `class = read_only`, `idempotent` or `effectful` says what a
/// second call after an interruption would do.
///
/// ```text
/// /// The current price of a ticker symbol, in dollars.
/// #[tool(class = read_only)]
/// async fn price(
///     cx: ToolCx,
///     /// for example AAPL
///     symbol: String,
/// ) -> Result<f64> {
///     Ok(cx.get::<Quotes>()?.latest(&symbol).await?)
/// }
/// ```
#[proc_macro_attribute]
pub fn tool(settings: TokenStream, item: TokenStream) -> TokenStream {
    expand(tool::expand(settings.into(), item.into()))
}

fn expand(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(syn::Error::into_compile_error).into()
}
