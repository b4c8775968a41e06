//! What policies grant, and what they do not.

mod load;
mod vectors;
