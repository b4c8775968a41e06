//! What is granted: privileges, requirements, policies and the decisions they lead to.
