"""Argilla's page of one record: what it shows, what it asks, and what comes back of it.

fields       what annotators see, as HTML: from `inert` (hostile text), `difference` (what changed) and `style`
own_text     the text they mark passages in
questions    what they are asked
answers      what they said, read back
"""
