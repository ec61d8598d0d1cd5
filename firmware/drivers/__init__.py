"""Drivers: one chip or peripheral a file. The bus or the pins are passed in, importing a module touches nothing, and a
driver imports wire and never core. A driver reports what it cannot read; what that means is decided in core/protection.
"""
