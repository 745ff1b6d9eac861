//! Every key of the format: what it does to the plan.
