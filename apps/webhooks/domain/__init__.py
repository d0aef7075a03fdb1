"""The pure rules of both doors: when to try again, when to stop asking, whom to tell, where not to dial."""
