"""The pure rules of payments: life cycles, references, what may be refunded. No framework in here."""
