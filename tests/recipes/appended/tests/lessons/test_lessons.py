DAMAGE[13] = {"teapot left in stock": (6, 11)}
