//! The smallest files that have each fault; `¦` marks the places.

use crate::fault::Code;

/// The faults of a file in order of place, and the file.
pub(super) const SMALL: &[(&[Code], &str)] = &[
    (&[Code::EmptyDefinition], "version: 1\nname: p\n¦steps: {}"),
    (
        &[Code::EmptyDefinition],
        "steps: { r: { route: inputs.x, ¦to: {} } }\ninputs: { x: string }",
    ),
    (&[Code::UnknownVersion], "version: ¦2\nname: p\nsteps: 7"),
    (
        &[Code::WrongType],
        "version: ¦'1'\nname: p\nsteps: { a: { set: 1 } }",
    ),
    (&[Code::WrongType], "timeout: ¦30\nsteps: { a: { set: 1 } }"),
    (
        &[Code::WrongType],
        "steps: { a: { set: 1, needs: ¦b }, b: { set: 1 } }",
    ),
    (
        &[Code::WrongType],
        "defaults: { retries: ¦\"3\" }\nsteps: { a: { set: 1 } }",
    ),
    (
        &[Code::WrongType],
        "retries: { x: { jitter: ¦yes } }\nsteps: { a: { set: 1 } }",
    ),
    (&[Code::WrongType], "timeout: ¦null\nsteps: { a: { set: 1 } }"),
    (&[Code::WrongType], "steps: ¦[a]"),
    (&[Code::NumberRange], "max_parallel: ¦0\nsteps: { a: { set: 1 } }"),
    (
        &[Code::NumberRange],
        "budget: { usd: ¦-1 }\nsteps: { a: { set: 1 } }",
    ),
    (
        &[Code::NumberRange],
        "steps: { r: { route: { ¦split: { a: 0 } }, to: { a: { set: 1 } } } }",
    ),
    (&[Code::BadName], "steps: { ¦Extract: { set: 1 } }"),
    (
        &[Code::BadName],
        "steps: { ¦on_failure: { set: 1 }, a: { set: 1 } }",
    ),
    (
        &[Code::BadName],
        "steps: { a: { set: 1, artifacts: { ¦../x: output } } }",
    ),
    (
        &[Code::BadName],
        "steps: { a: { for_each: '[1]', as: ¦steps, set: 1 } }",
    ),
    (&[Code::UnknownKey], "steps: { a: { set: 1, ¦timout: 3s } }"),
    (&[Code::UnknownKey], "steps: { a: { set: 1, ¦prompt: x } }"),
    (&[Code::UnknownKey], "steps: { a: { set: 1, ¦max_parallel: 3 } }"),
    (&[Code::UnknownKey], "steps: { a: { ¦agnet: x } }"),
    (&[Code::UnknownKey], "steps: { a: { set: 1, ¦context: all } }"),
    (
        &[Code::UnknownKey],
        "inputs: { x: string }\nsteps: { r: { route: inputs.x, to: { a: none }, ¦context: all } }",
    ),
    (
        &[Code::NoPrompt],
        "inputs: { x: string }\nsteps: { r: { route: inputs.x, to: { ¦a: { agent: house } } } }",
    ),
    (&[Code::WrongType], "start: ¦later\nsteps: { a: { set: 1 } }"),
    (
        &[Code::UnknownReference],
        "key: ¦steps.a.output\nsteps: { a: { set: 1 } }",
    ),
    (
        &[Code::KindMismatch],
        "inputs: { x: [string] }\nkey: ¦inputs.x\nsteps: { a: { set: 1 } }",
    ),
    (
        &[Code::UnknownKey],
        "agents: { w: { instructions: Hi., model: auto/small, ¦on_interrupt: ask } }\nsteps: { a: { agent: w, prompt: x } }",
    ),
    (
        &[Code::UnknownKey],
        "steps: { a: { set: 1, ¦cache: { for: 1h } } }",
    ),
    (
        &[Code::WrongType],
        "steps: { a: { set: 1, on_interrupt: ¦maybe } }",
    ),
    (
        &[Code::UnknownKey],
        "steps: { a: { ask: { title: T, ¦to: [me] } } }",
    ),
    (
        &[Code::UnknownKey],
        "budget: { ¦usdd: 1 }\nsteps: { a: { set: 1 } }",
    ),
    (&[Code::MissingKey], "¦version: 1\nsteps: { a: { set: 1 } }"),
    (
        &[Code::MissingKey],
        "inputs: { x: string }\nsteps: { ¦r: { route: inputs.x } }",
    ),
    (
        &[Code::MissingKey],
        "models: { m: { use: ¦sim/script } }\nsteps: { a: { set: 1 } }",
    ),
    (&[Code::DuplicateName], "steps: { a: { set: 1 }, ¦a: { set: 2 } }"),
    (
        &[Code::DuplicateName],
        "agents: { ¦house: { instructions: Hi., model: auto/small } }\nsteps: { a: { set: 1 } }",
    ),
    (
        &[Code::UnknownStep],
        "steps: { extract: { set: 1 }, b: { set: 1, needs: [¦extarct] } }",
    ),
    (
        &[Code::UnknownStep],
        "steps: { a: { set: 'x {{ steps.¦b.output }}' } }",
    ),
    (
        &[Code::UnknownStep],
        "steps:\n  a:\n    set: |\n      one\n      two {{ steps.¦b.output }}\n",
    ),
    (
        &[Code::UnknownStep],
        "steps: { a: { set: \"tab\\t{{ steps[¦'b'].output }}\" } }",
    ),
    (
        &[Code::UnknownStep],
        "steps: { a: { set: 1, on_error: { run: ¦b } } }",
    ),
    (
        &[Code::UnknownStep],
        "steps: { r: { route: inputs.x, to: { a: ¦b } } }\ninputs: { x: string }",
    ),
    (&[Code::UnknownAgent], "steps: { a: { agent: ¦hose, prompt: x } }"),
    (
        &[Code::UnknownAgent],
        "steps: { a: { agent: house, prompt: x, tools: [¦'agent:x'] } }",
    ),
    (
        &[Code::UnknownModel],
        "agents: { w: { instructions: Hi., model: ¦openay/gpt-5 } }\nsteps: { a: { agent: w, prompt: x } }",
    ),
    (
        &[Code::UnknownModel],
        "agents: { w: { instructions: Hi., model: ¦fast } }\nsteps: { a: { agent: w, prompt: x } }",
    ),
    (
        &[Code::UnknownTool],
        "steps: { a: { tool: ¦app.fetsh, with: {} } }",
    ),
    (
        &[Code::UnknownTool],
        "steps: { a: { agent: house, prompt: x, tools: [¦find.*] } }",
    ),
    (
        &[Code::UnknownTool],
        "tools: { ¦x: { max_calls: 1 } }\nsteps: { a: { set: 1 } }",
    ),
    (
        &[Code::Unverified, Code::Unverified],
        "steps: { a: { agent: house, prompt: x, tools: [¦later.*] }, b: { tool: ¦later.read, with: {} } }",
    ),
    (
        &[Code::UnknownInput],
        "inputs: { limit: integer }\nsteps: { a: { set: '{{ inputs.¦limt + inputs.limit }}' } }",
    ),
    (
        &[Code::UnknownPolicy],
        "retries: { review: { max_attempts: 2 } }\nsteps: { a: { set: 1, retry: ¦reviw } }",
    ),
    (&[Code::UnknownPattern], "steps: { a: { pipeline: ¦'#quick' } }"),
    (
        &[Code::UnknownRoute],
        "steps: { r: { route: inputs.x, to: { a: { set: 1 } }, else: ¦b } }\ninputs: { x: string }",
    ),
    (
        &[Code::UnknownRoute],
        "steps: { r: { route: inputs.x, to: { a: { set: 1 }, b: none, ¦c: none } } }\ninputs: { x: { enum: [a, b] } }",
    ),
    (
        &[Code::UnknownRoute],
        "steps: { r: { route: { first_of: [a, ¦b] }, to: { a: { set: 1 } } } }",
    ),
    (
        &[Code::UnknownRoute],
        "steps: { r: { route: { split: { a: 1 } }, to: { a: { set: 1 }, ¦b: { set: 1 } } } }",
    ),
    (
        &[Code::UnknownRoute],
        "steps: { r: { route: { agent: house, prompt: x }, to: { a: none }, on_error: { use: ¦b } } }",
    ),
    (&[Code::NoAction], "steps: { ¦a: { title: Nothing } }"),
    (&[Code::TwoActions], "steps: { a: { set: 1, ¦tool: app.fetch } }"),
    (
        &[Code::Cycle],
        "steps: { ¦a: { set: 1, needs: [c] }, b: { set: 1, needs: [a] }, c: { set: '{{ steps.b.output }}' } }",
    ),
    (
        &[Code::Cycle],
        "steps: { ¦a: { set: 1, needs: [c], on_error: { run: b } }, b: { set: 1 }, c: { set: '{{ steps.b.output }}' } }",
    ),
    (&[Code::SelfEdge], "steps: { a: { set: 1, needs: [¦a] } }"),
    (
        &[Code::SelfEdge],
        "steps: { a: { set: '{{ steps.¦a.output }}' } }",
    ),
    (
        &[Code::NoPath],
        "steps: { r: { route: { split: { a: 0, b: 1 } }, to: { a: x, b: y } }, x: { set: 1 }, y: { set: 1 } }\noutput: [\"{{ steps.¦x.output }}\", \"{{ steps.y.output }}\"]",
    ),
    (
        &[Code::MissingArm],
        "inputs: { x: { enum: [a, b] } }\nsteps: { r: { route: inputs.x, ¦to: { a: none } } }",
    ),
    (
        &[Code::MissingArm],
        "inputs: { x: boolean }\nsteps: { r: { route: inputs.x, ¦to: { 'true': none } } }",
    ),
    (
        &[Code::ArmInTwoRoutes],
        "inputs: { x: string }\nsteps: { r: { route: inputs.x, to: { a: s } }, t: { route: inputs.x, to: { a: ¦s } }, s: { set: 1 } }",
    ),
    (&[Code::YamlSyntax], "steps: { a: ¦[ }"),
    (&[Code::TemplateSyntax], "steps: { a: { set: 'x {{ 1 + ¦}}' } }"),
    (
        &[Code::BracesInExpression],
        "steps: { a: { set: 1, when: '¦{{ true }}' } }",
    ),
    (
        &[Code::UnknownReference],
        "steps: { a: { agent: house, prompt: '{{ ¦output }}' } }",
    ),
    (&[Code::UnknownReference], "steps: { a: { set: 1, when: ¦item } }"),
    (
        &[Code::UnknownReference],
        "agents: { w: { instructions: '{{ ¦steps.a.output }}', model: auto/small } }\nsteps: { a: { agent: w, prompt: x } }",
    ),
    (
        &[Code::UnknownField],
        "steps: { a: { set: { x: 1 } }, b: { set: '{{ steps.a.output.¦y }}' } }",
    ),
    (
        &[Code::UnknownField],
        "steps: { a: { set: { x: 1 } }, b: { set: '{{ steps.a.¦outputs }}' } }",
    ),
    (
        &[Code::UnknownField],
        "inputs: { x: { a: string } }\nsteps: { b: { set: '{{ inputs.x.a }} {{ inputs.x.¦b }}' } }",
    ),
    (
        &[Code::UnknownField],
        "steps: { a: { set: 1 }, b: { set: '{{ steps.a.¦arm }}' } }",
    ),
    (
        &[Code::UnknownField],
        "inputs: { x: [{ a: string }] }\nsteps: { b: { for_each: inputs.x, set: '{{ item.¦b }}' } }",
    ),
    (
        &[Code::UnknownFilter],
        "steps: { a: { set: '{{ 1 | ¦slugg }}' } }",
    ),
    (
        &[Code::DynamicReference],
        "inputs: { x: string }\nsteps: { a: { set: '{{ steps[¦inputs.x].output }}' } }",
    ),
    (
        &[Code::KindMismatch],
        "inputs: { x: string }\nsteps: { a: { set: 1, when: ¦inputs.x } }",
    ),
    (
        &[Code::KindMismatch],
        "inputs: { x: string }\nsteps: { a: { set: '{{ ¦inputs.x < 3 }}' } }",
    ),
    (
        &[Code::KindMismatch],
        "inputs: { x: string }\nsteps: { a: { for_each: ¦inputs.x, set: 1 } }",
    ),
    (
        &[Code::KindMismatch],
        "steps: { a: { set: 1 }, r: { route: ¦steps.a.output, to: { a: none } } }",
    ),
    (
        &[Code::SchemaMismatch],
        "inputs: { n: { type: integer, default: ¦x } }\nsteps: { a: { set: '{{ inputs.n }}' } }",
    ),
    (
        &[Code::SchemaMismatch],
        "inputs: { s: string }\nsteps: { a: { tool: app.fetch, with: { id: ¦'{{ inputs.s }}' } } }",
    ),
    (
        &[Code::SchemaMismatch],
        "steps: { a: { tool: app.fetch, with: ¦{} } }",
    ),
    (
        &[Code::SchemaMismatch],
        "steps: { a: { ask: { title: T, form: { n: integer }, timeout: 1h, default: { n: ¦x } } } }",
    ),
    (
        &[Code::SchemaMismatch],
        "output_schema: integer\noutput: ¦steps.a.output\nsteps: { a: { set: 'x' } }",
    ),
    (&[Code::NoneInText], "steps: { a: { set: '{{ ¦1 ~ none }}' } }"),
    (
        &[Code::Conflict],
        "steps: { a: { set: 1, ¦retries: 2, retry: { max_attempts: 3 } } }",
    ),
    (
        &[Code::Conflict],
        "steps: { a: { set: 1, retry: { ¦when: output == 2 } } }",
    ),
    (
        &[Code::Conflict],
        "retries: { default: { max_attempts: 2 } }\ndefaults: { ¦retries: 3 }\nsteps: { a: { set: 1 } }",
    ),
    (&[Code::Conflict], "steps: { a: { set: 1, on_error: ¦keep } }"),
    (
        &[Code::Conflict],
        "steps: { a: { set: 1, budget: { usd: 1, ¦per_day: { usd: 1 } } } }",
    ),
    (
        &[Code::NoModel],
        "agents: { ¦w: { instructions: Hi. } }\nsteps: { a: { agent: w, prompt: x } }",
    ),
    (&[Code::NoPrompt], "steps: { ¦a: { agent: house } }"),
    (
        &[Code::BadSchema],
        "inputs: { x: ¦strng }\nsteps: { a: { set: '{{ inputs.x }}' } }",
    ),
    (
        &[Code::BadPattern],
        "inputs: { x: { type: string, pattern: ¦'(' } }\nsteps: { a: { set: '{{ inputs.x }}' } }",
    ),
    (
        &[Code::NotStrict],
        "agents: { w: { instructions: Hi., model: auto/small, strict: true, ¦output: { type: object, properties: { a: string } } } }\nsteps: { a: { agent: w, prompt: x } }",
    ),
    (
        &[Code::PathRefused],
        "steps: { a: { agent: house, prompt: { file: ¦../x.md } } }",
    ),
    (&[Code::PathRefused], "steps: { a: { pipeline: ¦/etc/passwd } }"),
    (
        &[Code::FileMissing],
        "steps: { a: { agent: house, prompt: { file: ¦x.md } } }",
    ),
    (&[Code::FileMissing], "steps: { a: { pipeline: ¦x.yaml } }"),
    (&[Code::TagRefused], "steps: { a: { set: ¦!!str 1 } }"),
    (&[Code::OneDocument], "steps: { a: { set: 1 } }\n¦---\nx: 1"),
    (
        &[Code::SecretNotAllowed],
        "steps: { a: { set: '{{ ¦secrets.KEY }}' } }",
    ),
    (
        &[Code::SecretNotAllowed],
        "steps: { a: { set: '¦secret://KEY' } }",
    ),
    (
        &[Code::OperatorOnly],
        "tools: { app.fetch: { ¦command: [rm] } }\nsteps: { a: { set: 1 } }",
    ),
    (&[Code::OperatorOnly], "¦providers: {}\nsteps: { a: { set: 1 } }"),
    (
        &[Code::OperatorOnly],
        "models: { m: { use: openai/gpt-5, ¦base_url: x } }\nsteps: { a: { set: 1 } }",
    ),
    (
        &[Code::UnusedInput],
        "inputs: { ¦x: string }\nsteps: { a: { set: 1 } }",
    ),
    (
        &[Code::UnusedAgent],
        "agents: { ¦w: { instructions: Hi., model: auto/small } }\nsteps: { a: { set: 1 } }",
    ),
    (
        &[Code::UnusedStep],
        "steps: { a: { set: 1 }, ¦b: { set: 2 } }\noutput: steps.a.output",
    ),
    (
        &[Code::MaybeNone],
        "steps: { a: { set: { x: 1 }, when: 1 < 2 }, b: { set: '{{ ¦steps.a.output.x }}' } }",
    ),
    (
        &[Code::BracesInText],
        "title: ¦'{{ inputs.x }}'\nsteps: { a: { set: 1 } }",
    ),
];
