document.body.append('Podflame')
