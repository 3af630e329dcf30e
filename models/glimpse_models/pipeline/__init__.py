"""Steps that combine the other rooms, each one function of typed options."""
