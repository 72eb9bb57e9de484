"""The rules that managers set: per lab, device class or device; and who is trained on what."""
